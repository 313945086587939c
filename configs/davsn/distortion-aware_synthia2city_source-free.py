# DA-VSN, source-free, with distortion-aware feature correction.
_base_ = [
    '../_base_/models/distortion-aware_deeplabv2-r101.py',
    '../_base_/methods/davsn_source-free.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None, target=dict(pipeline=target_pipeline)))
model = dict(
    _base_.method,
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
    ),
    source_checkpoint='work_dirs/source_only/distortion-aware_synthia2city/iter_80000.pth',
)
