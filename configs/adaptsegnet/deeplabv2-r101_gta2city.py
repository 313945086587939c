# AdaptSegNet as released, GTAV to Cityscapes: 42.4 mIoU in SePiCo's table 1.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/adaptsegnet.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
model = _base_.method
