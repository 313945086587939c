# DeepLab-v2 frame by frame as DACS and SePiCo train it: mmseg's ResNetV1c, batch norm trained, no
# auxiliary classifier, 19 classes.
_base_ = './deeplabv2-r101.py'
model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    student=dict(
        segmentor=dict(
            backbone=dict(
                type='ResNetV1c',
                norm_cfg=dict(type='BN', requires_grad=True),
                style='pytorch',
                init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c')),
            decode_head=dict(num_classes=19, align_corners=False),
            auxiliary_head=None)))
