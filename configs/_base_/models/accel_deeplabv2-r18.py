# A small Accel that trains from scratch in minutes on two cores: ResNet-18 of half width.
_base_ = './accel_deeplabv2-r101.py'
model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    student=dict(
        allow_random_init=True,
        segmentor=dict(
            backbone=dict(
                type='ResNet',
                depth=18,
                base_channels=32,
                # Nothing is pretrained here, so that batch norm has to be trained.
                norm_cfg=dict(type='BN', requires_grad=True),
                style='pytorch',
                init_cfg=None,
            ),
            decode_head=dict(in_channels=256),
            auxiliary_head=dict(in_channels=128),
        ),
    ),
)
