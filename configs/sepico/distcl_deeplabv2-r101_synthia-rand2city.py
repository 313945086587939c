# SePiCo (DistCL), SYNTHIA to Cityscapes, 16 classes (13 of them: 13/mIoU): 58.1 mIoU in the paper.
_base_ = [
    '../_base_/methods/sepico_deeplabv2-r101.py',
    '../_base_/datasets/synthia_rand2city.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
