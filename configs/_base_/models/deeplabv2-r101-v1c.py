# DeepLab-v2 frame by frame as DACS and SePiCo train it: mmseg's ResNetV1c whose first block of a
# dilated stage has half of the dilation, batch norm trained, no auxiliary classifier, 19 classes,
# cross-entropy as the mean over all pixels, those ignored included.
_base_ = './deeplabv2-r101.py'
model = dict(
    resize_to_input=True,
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    student=dict(
        segmentor=dict(
            backbone=dict(
                type='ResNetV1c',
                contract_dilation=True,
                norm_cfg=dict(type='BN', requires_grad=True),
                style='pytorch',
                init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c'),
            ),
            decode_head=dict(
                num_classes=19, align_corners=False, loss_decode=dict(avg_non_ignore=False)
            ),
            auxiliary_head=None,
        )
    ),
)
