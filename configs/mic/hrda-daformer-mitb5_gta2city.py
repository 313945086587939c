# MIC on HRDA, GTAV to Cityscapes, 19 classes: 75.9 mIoU in the paper.
_base_ = [
    '../_base_/models/hrda-daformer-mitb5.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/gta2city_1024.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
model = dict(_base_.method, type='MIC', masked=_base_.masked)
