# TPS with the settings of its release: VIPER to Cityscapes-Seq, 48.9 mIoU in the paper.
_base_ = [
    '../_base_/methods/tps_accel-r101.py', '../_base_/datasets/viper2city.py',
    '../_base_/schedules/source_40k.py', '../_base_/default_runtime.py'
]
# t-2, t-1, t: the pair that labels and the pair that learns share the middle frame.
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(pseudo_weight=0.1)
