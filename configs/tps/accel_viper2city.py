# TPS with the settings of its release: VIPER to Cityscapes-Seq, 48.9 mIoU in the paper.
_base_ = [
    '../_base_/methods/tps_accel-r101.py', '../_base_/datasets/viper2city.py',
    '../_base_/schedules/source_40k.py', '../_base_/default_runtime.py'
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=4)))
