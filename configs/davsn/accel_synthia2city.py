# DA-VSN with the settings of its release: SYNTHIA-Seq to Cityscapes-Seq, 49.5 mIoU in the paper.
_base_ = [
    '../_base_/models/accel_deeplabv2-r101.py',
    '../_base_/methods/davsn.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
# Scores are propagated by nearest forward splatting.
model = dict(
    _base_.method,
    student=dict(
        propagation='splat',
        segmentor=dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12)),
    ),
)
