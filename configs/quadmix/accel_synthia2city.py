# QuadMix as released, Accel: SYNTHIA-Seq to Cityscapes-Seq, 61.5 mIoU in the paper.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/quadmix.py',
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
        segmentor=dict(
            decode_head=dict(_base_.classifier, num_classes=12),
            auxiliary_head=dict(num_classes=12),
        )
    ),
    labeller=dict(
        type='Accel',
        segmentor=dict(
            _base_.segmentor,
            decode_head=dict(_base_.segmentor.decode_head, num_classes=12),
            auxiliary_head=dict(_base_.segmentor.auxiliary_head, num_classes=12),
        ),
        padding_mode='border',
    ),
    source_checkpoint='work_dirs/tps/accel_synthia2city/iter_40000.pth',
    labeller_checkpoint='work_dirs/tps/accel_synthia2city/iter_40000.pth',
)
