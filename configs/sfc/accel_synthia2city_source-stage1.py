# Source-only on SYNTHIA-Seq: stage one trains the two branches of Accel, each separately, on
# labelled single frames of the source.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/datasets/synthia2city_own-flow.py',
    '../_base_/schedules/sfc_stage1_80k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None, source=dict(clip_length=1)))
heads = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
model = dict(student=dict(stage=1, segmentor=heads, reference_segmentor=heads))
