# DeepLab-v2 ResNet-50 frame by frame, without the auxiliary classifier (VAT-VST).
_base_ = './deeplabv2-r101.py'
model = dict(
    student=dict(
        segmentor=dict(
            backbone=dict(
                depth=50,
                init_cfg=dict(
                    type='Pretrained', checkpoint='open-mmlab://detectron2/resnet50_caffe'
                ),
            ),
            auxiliary_head=None,
        )
    )
)
