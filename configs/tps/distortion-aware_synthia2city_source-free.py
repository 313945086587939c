# TPS, source-free, with distortion-aware feature correction.
_base_ = [
    '../_base_/models/distortion-aware_deeplabv2-r101.py',
    '../_base_/methods/tps_source-free.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# Source-free: this run has no source data set.
# t-2, t-1, t: the labelling pair and the learning pair share the middle frame.
train_dataloader = dict(dataset=dict(source=None, target=dict(clip_length=3)))
model = dict(
    _base_.method,
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
    ),
    source_checkpoint='work_dirs/source_only/distortion-aware_synthia2city/iter_80000.pth',
)
