# Source-only on CamVid by day: stage two freezes the backbones of stage one and trains
# classifiers, flow branch and fusion on labelled clips of the source.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_own-flow.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
# The frozen backbones keep their statistics too; those of the full-size nets move, as released.
nets = dict(
    backbone=dict(norm_eval=True),
    decode_head=dict(num_classes=11),
    auxiliary_head=dict(num_classes=11),
)
model = dict(
    source_checkpoint='work_dirs/sfc/accel-r18_camvid-day2dusk_source-stage1/iter_800.pth',
    student=dict(stage=2, segmentor=nets, reference_segmentor=nets),
)
