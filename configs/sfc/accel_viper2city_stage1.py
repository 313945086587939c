# SFC, VIPER to Cityscapes-Seq: stage one trains the two branches of Accel, each by itself.
_base_ = [
    '../_base_/methods/sfc_accel-r101.py',
    '../_base_/datasets/viper2city_own-flow.py',
    '../_base_/schedules/sfc_stage1_120k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1)))
model = dict(
    sfm_checkpoint='work_dirs/sfc/sfm_viper/iter_80000.pth',
    flow=dict(checkpoint='work_dirs/sfc/accel_viper2city_source-stage2/iter_80000.pth'),
    student=dict(stage=1),
)
