# QuadMix as released, MiT-B5: SYNTHIA-Seq to Cityscapes-Seq, 67.2 mIoU in the paper.
_base_ = [
    '../_base_/models/daformer-mitb5.py',
    '../_base_/methods/quadmix_daformer-mitb5.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# fence, pole, light, sign, rider
rare_classes = (3, 4, 5, 6, 10)
train_dataloader = dict(
    dataset=dict(
        source=dict(label_clips=True),
        # t-2, t-1, t.
        target=dict(clip_length=3),
        rare_patches=dict(
            statistics='data/synthia_seq/class_statistics.json',
            classes=rare_classes,
            count=2,
            size=(512, 1024),
            min_pixels=5,
            rows=(0, 128),
            columns=(0, 256),
        ),
    )
)
model = dict(
    _base_.method,
    rare_classes=rare_classes,
    student=dict(
        type='Accel',
        padding_mode='border',
        segmentor=dict(
            decode_head=dict(num_classes=12, loss_decode=dict(avg_non_ignore=True)),
        ),
    ),
    labeller=dict(
        _base_.labeller,
        segmentor=dict(
            _base_.labeller.segmentor,
            decode_head=dict(_base_.labeller.segmentor.decode_head, num_classes=12),
        ),
    ),
    labeller_checkpoint='work_dirs/tps/accel_synthia2city/iter_40000.pth',
)
