# PSPNet ResNet-50 frame by frame (VAT-VST, table 12).
_base_ = './deeplabv2-r50.py'
model = dict(
    student=dict(
        segmentor=dict(
            decode_head=dict(
                _delete_=True,
                type='PSPHead',
                in_channels=2048,
                in_index=3,
                channels=512,
                pool_scales=(1, 2, 3, 6),
                dropout_ratio=0.1,
                num_classes=15,
                norm_cfg=dict(type='BN', requires_grad=True),
                align_corners=True,
                loss_decode=dict(type='BatchCrossEntropyLoss'),
            )
        )
    )
)
