# DAFormer, GTAV to Cityscapes, 19 classes: 68.3 mIoU in the paper.
_base_ = [
    '../_base_/methods/daformer.py',
    '../_base_/datasets/gta2city_512.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
