# SePiCo (DistCL), GTAV to Cityscapes, 19 classes: 61.0 mIoU in the paper.
_base_ = [
    '../_base_/methods/sepico_deeplabv2-r101.py',
    '../_base_/datasets/gta2city.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
