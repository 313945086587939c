# SePiCo (DistCL) on video: DeepLab-v2 frame by frame, VIPER to Cityscapes-Seq. Not in the paper.
_base_ = [
    '../_base_/methods/sepico_deeplabv2-r101.py',
    '../_base_/datasets/viper2city_mix.py',
    '../_base_/default_runtime.py',
]
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=15))))
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
