# PixMatch with the perturbations "Fourier" and "CutMix" of its release, GTAV to Cityscapes.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/pixmatch.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
# Its target is larger than that of AdaptSegNet, and both are flipped.
source_pipeline = [
    *_base_.source_pipeline[:-1],
    # These perturbations need one size.
    dict(type='ClipCrop', crop_size=(640, 1280)),
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
    augmentation_weight=0.0,
    fourier_weight=0.1,
    cutmix_weight=0.1,
    # Its release trains the affine part of batch norm.
    student=dict(segmentor=dict(backbone=dict(norm_cfg=dict(requires_grad=True)))),
)
