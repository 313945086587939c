# MinEnt as released, SYNTHIA-RAND to Cityscapes.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/minent.py',
    '../_base_/datasets/synthia_rand2city_whole.py',
    '../_base_/default_runtime.py',
]
model = _base_.method
