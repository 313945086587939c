# Source-only on SYNTHIA-Seq: stage two freezes the backbones of stage one and trains
# classifiers, flow branch and fusion on labelled clips of the source.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/datasets/synthia2city_own-flow.py',
    '../_base_/schedules/sfc_stage2_80k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
heads = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
model = dict(
    source_checkpoint='work_dirs/sfc/accel_synthia2city_source-stage1/iter_80000.pth',
    student=dict(stage=2, segmentor=heads, reference_segmentor=heads),
)
