# HRDA, Cityscapes to ACDC, 19 classes: 68.0 mIoU on the test set in the paper.
_base_ = [
    '../_base_/models/hrda-daformer-mitb5.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/city2acdc_1024.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
model = _base_.method
