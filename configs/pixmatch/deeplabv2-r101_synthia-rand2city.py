# PixMatch, SYNTHIA-RAND to Cityscapes: 46.1 mIoU of 16 classes and 54.5 of 13
# in SePiCo's table 2.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/pixmatch.py',
    '../_base_/datasets/synthia_rand2city_whole.py',
    '../_base_/default_runtime.py',
]
# Its target is larger than that of AdaptSegNet, and both are flipped. The source has GTAV's size.
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 720), interpolation='bicubic', backend='pillow'),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 640), interpolation='bicubic', backend='pillow'),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
train_dataloader = dict(
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline))
)
# Validated and tested at the size of the training's target, as released.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 640), interpolation='bicubic', backend='pillow'),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(
    _base_.method,
    # Its release trains the affine part of batch norm.
    student=dict(segmentor=dict(backbone=dict(norm_cfg=dict(requires_grad=True)))),
)
