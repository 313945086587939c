# AdaptSegNet as released, SYNTHIA-RAND to Cityscapes, 39.5 mIoU of 16 classes and 45.9 of 13 in
# SePiCo's table 2.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/adaptsegnet.py',
    '../_base_/datasets/synthia_rand2city_whole.py',
    '../_base_/default_runtime.py',
]
model = _base_.method
