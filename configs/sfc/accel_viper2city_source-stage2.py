# Source-only on VIPER: stage two freezes the backbones of stage one and trains
# classifiers, flow branch and fusion on labelled clips of the source.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/datasets/viper2city_own-flow.py',
    '../_base_/schedules/sfc_stage2_80k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
model = dict(
    source_checkpoint='work_dirs/sfc/accel_viper2city_source-stage1/iter_80000.pth',
    student=dict(stage=2),
)
