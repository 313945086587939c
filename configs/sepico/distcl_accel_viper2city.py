# SePiCo (DistCL) on video: Accel, VIPER to Cityscapes-Seq. Not in the paper.
_base_ = [
    '../_base_/methods/sepico_accel-r101.py',
    '../_base_/datasets/viper2city_mix.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
