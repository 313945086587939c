# Distortion-aware feature correction with SFC's DeepLab-v2 ResNet-101 and its own flow branch
# (SFC, table 4).
model = dict(
    type='SourceOnly',
    # Caffe-style weights: BGR, not scaled, the mean of ADVENT and its descendants.
    data_preprocessor=dict(
        type='DomainDataPreprocessor',
        mean=[104.00698793, 116.66876762, 122.67891434],
        std=[1.0, 1.0, 1.0],
    ),
    student=dict(
        type='DistortionAwareVSS',
        segmentor=dict(
            type='EncoderDecoder',
            backbone=dict(
                # SFC's: the stem's pooling rounds down (scores of 64x128 for 512x1024), maps are
                # resized with align_corners=False, and the affine part of batch norm is trained but
                # for the stem's.
                type='FixedStemResNet',
                depth=101,
                num_stages=4,
                out_indices=(0, 1, 2, 3),
                dilations=(1, 1, 2, 4),
                strides=(1, 2, 1, 1),
                norm_cfg=dict(type='BN', requires_grad=True),
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
                num_classes=15,
                align_corners=False,
                loss_decode=dict(type='BatchCrossEntropyLoss'),
            ),
            auxiliary_head=dict(
                type='DeepLabV2Head',
                in_channels=1024,
                in_index=2,
                dilations=(6, 12, 18, 24),
                num_classes=15,
                align_corners=False,
                loss_decode=dict(type='BatchCrossEntropyLoss', loss_weight=0.1),
            ),
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        ),
        # The slim FlowNetS, pretrained on Flying Chairs, that SFC's release starts from; put it
        # there by hand. To start from random weights set it to None; configs/sfc/accel-raft_* has
        # weights to download.
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth'),
        padding_mode='border',
    ),
)
