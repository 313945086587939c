# QuadMix as released, MiT-B5: VIPER to Cityscapes-Seq, 58.2 mIoU in the paper.
_base_ = [
    '../_base_/models/daformer-mitb5.py',
    '../_base_/methods/quadmix_daformer-mitb5.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
# fence, light, sign, terrain, motorcycle, bicycle
rare_classes = (3, 4, 5, 7, 13, 14)
train_dataloader = dict(
    dataset=dict(
        source=dict(label_clips=True),
        # t-2, t-1, t. As released the strong view of VIPER's target has no jitter, blur or grey.
        target=dict(
            clip_length=3,
            pipeline=[
                dict(type='LoadClip'),
                dict(
                    type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow'
                ),
                {{_base_.flow}},
                dict(type='TPSAugment', blur_prob=0.0, jitter_prob=0.0, grey_prob=0.0),
                dict(type='PackClipInputs'),
            ],
        ),
        rare_patches=dict(
            statistics='data/viper/class_statistics.json',
            classes=rare_classes,
            count=3,
            size=(512, 1024),
            # Bicycles have the last number.
            min_pixels=(5, 5, 5, 5, 5, 100),
            rows=(100, 128),
            columns=(0, 256),
        ),
    )
)
model = dict(
    _base_.method,
    rare_classes=rare_classes,
    pseudo_weight=0.2,
    student=dict(
        type='Accel',
        padding_mode='border',
        segmentor=dict(
            decode_head=dict(num_classes=15, loss_decode=dict(avg_non_ignore=True)),
        ),
    ),
    labeller=_base_.labeller,
    labeller_checkpoint='work_dirs/tps/accel_viper2city/iter_40000.pth',
)
