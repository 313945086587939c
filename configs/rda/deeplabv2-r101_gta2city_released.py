# RDA as its release trains it, GTAV to Cityscapes: the attack exchanges amplitudes with themselves,
# and only the consistency under rescaling is left.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/rda.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
model = dict(_base_.method, reference='self')
optim_wrapper = dict(gate=None)
