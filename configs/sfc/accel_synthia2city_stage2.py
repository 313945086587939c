# SFC, SYNTHIA-Seq to Cityscapes-Seq: stage two freezes the backbones of stage one and trains
# classifiers, flow branch and fusion. 52.5 mIoU in the paper.
_base_ = [
    '../_base_/methods/sfc_accel-r101.py',
    '../_base_/datasets/synthia2city_own-flow.py',
    '../_base_/schedules/sfc_stage2_160k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
heads = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
model = dict(
    source_checkpoint='work_dirs/sfc/accel_synthia2city_stage1/iter_120000.pth',
    sfm_checkpoint='work_dirs/sfc/sfm_synthia/iter_80000.pth',
    flow_weight=0.001,
    flow=dict(checkpoint='work_dirs/sfc/accel_synthia2city_source-stage2/iter_80000.pth'),
    student=dict(stage=2, segmentor=heads, reference_segmentor=heads),
)
