# AdaptSegNet with a single level.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/adaptsegnet.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
model = dict(**_base_.method, student=dict(segmentor=dict(auxiliary_head=None)))
