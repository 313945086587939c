# A small Accel that trains from scratch in minutes on two cores: ResNet-18 of half width.
model = dict(
    type='SourceOnly',
    data_preprocessor=dict(
        type='DomainDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    student=dict(
        type='Accel',
        allow_random_init=True,
        segmentor=dict(
            type='EncoderDecoder',
            backbone=dict(
                type='ResNet',
                depth=18,
                num_stages=4,
                out_indices=(0, 1, 2, 3),
                dilations=(1, 1, 2, 4),
                strides=(1, 2, 1, 1),
                # Nothing is pretrained here, so batch norm has to be trained.
                norm_cfg=dict(type='BN', requires_grad=True),
                norm_eval=False,
                style='pytorch',
                init_cfg=None,
                base_channels=32,
            ),
            decode_head=dict(
                type='DeepLabV2Head',
                in_channels=256,
                in_index=3,
                dilations=(6, 12, 18, 24),
                num_classes=15,
                align_corners=True,
                loss_decode=dict(type='BatchCrossEntropyLoss'),
            ),
            auxiliary_head=dict(
                type='DeepLabV2Head',
                in_channels=128,
                in_index=2,
                dilations=(6, 12, 18, 24),
                num_classes=15,
                align_corners=True,
                loss_decode=dict(type='BatchCrossEntropyLoss', loss_weight=0.1),
            ),
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        ),
    ),
)
