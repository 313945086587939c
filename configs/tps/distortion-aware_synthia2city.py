# TPS with distortion-aware feature correction.
_base_ = [
    '../_base_/models/distortion-aware_deeplabv2-r101.py',
    '../_base_/methods/tps.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# t-2, t-1, t: the labelling pair and the learning pair share the middle frame.
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(
    _base_.method,
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
    ),
)
