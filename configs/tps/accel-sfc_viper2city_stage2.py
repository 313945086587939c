# TPS in SFC's two stages, VIPER to Cityscapes-Seq. Stage two freezes the backbones of
# stage one and trains classifiers, flow branch and fusion. 49.0 mIoU in SFC's table 1.
_base_ = [
    '../_base_/methods/tps_accel-sfc.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/schedules/sfc_stage2_160k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(
    pseudo_weight=0.1,
    source_checkpoint='work_dirs/tps/accel-sfc_viper2city_stage1/iter_120000.pth',
    student=dict(stage=2),
)
