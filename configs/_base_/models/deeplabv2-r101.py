# DeepLab-v2 ResNet-101 frame by frame with an auxiliary classifier, the network of AdaptSegNet,
# ADVENT and what is built on them: that of accel_deeplabv2-r101.py, in 19 classes.
model = dict(
    type='SourceOnly',
    # Caffe-style weights: BGR, not scaled, the mean of ADVENT and its descendants.
    data_preprocessor=dict(
        type='DomainDataPreprocessor',
        mean=[104.00698793, 116.66876762, 122.67891434],
        std=[1.0, 1.0, 1.0],
    ),
    student=dict(
        type='PerFrame',
        segmentor=dict(
            type='EncoderDecoder',
            backbone=dict(
                # Its first pooling rounds up: a grid that fits align_corners=True.
                type='CeilResNet',
                depth=101,
                num_stages=4,
                out_indices=(0, 1, 2, 3),
                dilations=(1, 1, 2, 4),
                strides=(1, 2, 1, 1),
                # As published: the affine part of batch norm is not trained.
                norm_cfg=dict(type='BN', requires_grad=False),
                norm_eval=False,
                style='caffe',
                init_cfg=dict(
                    type='Pretrained', checkpoint='open-mmlab://detectron2/resnet101_caffe'
                ),
            ),
            decode_head=dict(
                type='DeepLabV2Head',
                in_channels=2048,
                in_index=3,
                dilations=(6, 12, 18, 24),
                num_classes=19,
                align_corners=True,
                loss_decode=dict(type='BatchCrossEntropyLoss'),
            ),
            auxiliary_head=dict(
                type='DeepLabV2Head',
                in_channels=1024,
                in_index=2,
                dilations=(6, 12, 18, 24),
                num_classes=19,
                align_corners=True,
                loss_decode=dict(type='BatchCrossEntropyLoss', loss_weight=0.1),
            ),
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        ),
    ),
)
