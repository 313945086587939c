# DeepLab-v2 frame by frame as DACS and SePiCo train it: mmseg's ResNetV1c whose first block of a
# dilated stage has half of the dilation, batch norm trained, no auxiliary classifier, 19 classes,
# cross-entropy as the mean over all pixels, those ignored included.
model = dict(
    type='SourceOnly',
    resize_to_input=True,
    data_preprocessor=dict(
        type='DomainDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    student=dict(
        type='PerFrame',
        segmentor=dict(
            type='EncoderDecoder',
            backbone=dict(
                type='ResNetV1c',
                depth=101,
                num_stages=4,
                out_indices=(0, 1, 2, 3),
                dilations=(1, 1, 2, 4),
                strides=(1, 2, 1, 1),
                norm_cfg=dict(type='BN', requires_grad=True),
                norm_eval=False,
                style='pytorch',
                init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c'),
                contract_dilation=True,
            ),
            decode_head=dict(
                type='DeepLabV2Head',
                in_channels=2048,
                in_index=3,
                dilations=(6, 12, 18, 24),
                num_classes=19,
                align_corners=False,
                loss_decode=dict(type='BatchCrossEntropyLoss', avg_non_ignore=False),
            ),
            auxiliary_head=None,
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        ),
    ),
)
