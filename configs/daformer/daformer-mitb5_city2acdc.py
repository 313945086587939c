# DAFormer, Cityscapes to ACDC, 19 classes: 55.4 mIoU on the test set (README of the release).
_base_ = [
    '../_base_/methods/daformer.py',
    '../_base_/datasets/city2acdc_512.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
