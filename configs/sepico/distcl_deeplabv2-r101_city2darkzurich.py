# SePiCo (DistCL), Cityscapes to Dark Zurich, 19 classes: 45.4 mIoU in the paper.
_base_ = [
    '../_base_/methods/sepico_deeplabv2-r101.py', '../_base_/datasets/city2darkzurich.py',
    '../_base_/schedules/sepico_40k.py', '../_base_/default_runtime.py'
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
