# DA-VSN without its losses of the source, DA-VSN* of STPL's tables, 49.0 mIoU there, from the
# source-only model and with the training settings of STPL.
_base_ = [
    '../_base_/models/accel_deeplabv2-r101.py',
    '../_base_/methods/davsn_source-free.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None, target=dict(pipeline=target_pipeline)))
# Scores are propagated by nearest forward splatting.
model = dict(
    _base_.method,
    student=dict(
        propagation='splat',
        segmentor=dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12)),
    ),
    source_checkpoint='work_dirs/source_only/accel_synthia2city/iter_40000.pth',
)
