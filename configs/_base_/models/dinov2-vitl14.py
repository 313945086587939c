# VFM-UDA++ (Englert et al., 2025) frame by frame: DINOv2 ViT-L/14 with a ViT-Adapter and the light
# pyramid decoder, 19 classes. Crops of 1024x1024 are resized to 1120x1120 inside, 80x80 patches;
# predictions are of windows of 1024x1024, 512 apart. Sizes are (height, width).
# Weights, a file that you have to get (configs/mic/README.md): VFM-UDA++'s, whose adapter is
# pretrained on ImageNet; or DINOv2's own, dinov2_vitl14_pretrain.pth, with which it is drawn.
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
                type='DINOv2Adapter',
                arch='large',
                input_scale=1120 / 1024,
                norm_cfg=dict(type='BN', momentum=0.01),
                init_cfg=dict(
                    type='Pretrained',
                    checkpoint='data/dinov2/'
                    'dinov2_large_with_vitadapter_pretraining_in1k_step50000.ckpt',
                ),
            ),
            decode_head=dict(
                type='PyramidHead',
                in_channels=[1024, 1024, 1024, 1024],
                in_index=[0, 1, 2, 3],
                num_classes=19,
                norm_cfg=dict(type='BN', momentum=0.01),
                align_corners=False,
                loss_decode=dict(type='BatchCrossEntropyLoss'),
            ),
            train_cfg=dict(),
            test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512)),
        ),
    ),
)
# As published batch norm is of the images of all processes.
sync_bn = 'torch'
