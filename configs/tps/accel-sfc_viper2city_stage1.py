# TPS in SFC's two stages, VIPER to Cityscapes-Seq. Stage one trains the segmentation
# network that both branches of Accel start from. 46.71 mIoU in SFC's table 3.
_base_ = [
    '../_base_/methods/tps_accel-sfc.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/schedules/sfc_stage1_120k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(
    pseudo_weight=0.1, student=dict(_delete_=True, type='PerFrame', segmentor=_base_.sfc_segmentor)
)
