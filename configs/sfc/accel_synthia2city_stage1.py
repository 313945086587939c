# SFC, SYNTHIA-Seq to Cityscapes-Seq: stage one trains the two branches of Accel, each by itself.
_base_ = [
    '../_base_/methods/sfc_accel-r101.py',
    '../_base_/datasets/synthia2city_own-flow.py',
    '../_base_/schedules/sfc_stage1_120k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1)))
heads = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
model = dict(
    sfm_checkpoint='work_dirs/sfc/sfm_synthia/iter_80000.pth',
    flow=dict(checkpoint='work_dirs/sfc/accel_synthia2city_source-stage2/iter_80000.pth'),
    student=dict(stage=1, segmentor=heads, reference_segmentor=heads),
)
