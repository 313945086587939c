# TPS without its losses of the source, TPS* of STPL's tables, 22.1 mIoU there, from the
# source-only model and with the training settings of STPL.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
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
    source_checkpoint='work_dirs/source_only/accel_synthia2city/iter_40000.pth',
)
