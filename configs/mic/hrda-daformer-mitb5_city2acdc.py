# MIC on HRDA, Cityscapes to ACDC, 19 classes.
_base_ = [
    '../_base_/models/hrda-daformer-mitb5.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/city2acdc_1024.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
model = dict(_base_.method, type='MIC', masked=dict(_base_.masked, mode='separate', augment=None))
