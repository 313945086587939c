# HRDA, Cityscapes to Dark Zurich, 19 classes: 55.9 mIoU (test) in the paper.
_base_ = [
    '../_base_/models/hrda-daformer-mitb5.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/city2darkzurich_1024.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
model = _base_.method
