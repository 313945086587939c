# HRDA (Hoyer et al., ECCV 2022) on DAFormer's network: MiT-B5 and the context-aware fusion decoder
# see the context, the whole crop at half its size, and a detail of 512x512; 19 classes. The
# attention is that decoder with one 1x1 convolution in place of its ASPP. Predictions are of
# windows of 1024x1024, 512 apart, with details of their own. Sizes are (height, width).
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
            output_stride=4,
            backbone=dict(
                type='MixVisionTransformer',
                in_channels=3,
                embed_dims=64,
                num_stages=4,
                num_layers=[3, 6, 40, 3],
                num_heads=[1, 2, 5, 8],
                patch_sizes=[7, 3, 3, 3],
                sr_ratios=[8, 4, 2, 1],
                out_indices=(0, 1, 2, 3),
                mlp_ratio=4,
                qkv_bias=True,
                drop_path_rate=0.1,
                init_cfg=dict(
                    type='Pretrained',
                    checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/'
                    'segformer/mit_b5_20220624-658746d9.pth',
                ),
            ),
            decode_head=dict(
                type='DAFormerHead',
                in_channels=[64, 128, 320, 512],
                in_index=[0, 1, 2, 3],
                channels=256,
                embed_channels=256,
                dilations=(1, 6, 12, 18),
                dropout_ratio=0.1,
                num_classes=19,
                norm_cfg=dict(type='BN', requires_grad=True),
                align_corners=False,
                loss_decode=dict(type='BatchCrossEntropyLoss', avg_non_ignore=False),
            ),
            attention_head=dict(
                type='DAFormerHead',
                in_channels=[64, 128, 320, 512],
                in_index=[0, 1, 2, 3],
                channels=256,
                embed_channels=256,
                dilations=(),
                dropout_ratio=0.1,
                num_classes=19,
                norm_cfg=dict(type='BN', requires_grad=True),
                align_corners=False,
            ),
            train_cfg=dict(),
            test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512)),
        ),
    ),
)
