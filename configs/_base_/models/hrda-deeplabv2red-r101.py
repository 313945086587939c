# HRDA (Hoyer et al., ECCV 2022) on DeepLab-v2: ResNet-101 V1c sees the context, the whole crop at
# half its size, and a detail of 512x512; 19 classes. Decoder and attention are DeepLab-v2's with
# dilations 6 and 12 alone, as DAFormer and HRDA have it. Predictions are of windows of 1024x1024,
# 512 apart, with details of their own. Sizes are (height, width).
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
            type='HRDA',
            detail_size=(512, 512),
            detail_weight=0.1,
            output_stride=8,
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
                dilations=(6, 12),
                num_classes=19,
                align_corners=False,
                loss_decode=dict(type='BatchCrossEntropyLoss', avg_non_ignore=False),
            ),
            attention_head=dict(
                type='DeepLabV2Head',
                in_channels=2048,
                in_index=3,
                dilations=(6, 12),
                num_classes=19,
                align_corners=False,
            ),
            auxiliary_head=None,
            train_cfg=dict(),
            test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512)),
        ),
    ),
)
