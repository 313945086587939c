# VFM-UDA++ on DINOv2 ViT-L/14, Cityscapes to Dark Zurich, 19 classes: 68.7 mIoU in its README.
# Shorter sides are 1024 times 0.9 to 1.1; pseudo-labels weigh nothing in the margins of the target,
# which are all images of Dark Zurich's train, by day, at twilight and by night.
_base_ = [
    '../_base_/models/dinov2-vitl14.py',
    '../_base_/methods/vfmuda.py',
    '../_base_/datasets/city2darkzurich_1024.py',
    '../_base_/default_runtime.py',
]
model = dict(_base_.method, masked=_base_.masked, distillation=_base_.distillation)
custom_hooks = _base_.teacher
# One process with 2 images, as released; more processes have a larger rate.
optim_wrapper = dict(optimizer=dict(lr=5e-5 * 2**0.5))
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(
        type='ClipResize',
        scale=(2048, 1024),
        ratio_range=(0.9, 1.1),
        keep_ratio=True,
        backend='pillow',
    ),
    dict(type='ClipPad', size=(1024, 1024)),
    dict(type='ClipCrop', crop_size=(1024, 1024), cat_max_ratio=0.75, rare_class_min_pixels=6000),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='PseudoLabelMargins', top=32, bottom=270, left=57, right=57),
    dict(
        type='ClipResize',
        scale=(1821, 1024),
        ratio_range=(0.9, 1.1),
        keep_ratio=True,
        backend='pillow',
    ),
    dict(type='ClipPad', size=(1024, 1024)),
    dict(type='ClipCrop', crop_size=(1024, 1024)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1821, 1024), keep_ratio=True, backend='pillow'),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
train_dataloader = dict(
    dataset=dict(
        rare_class_sampling=dict(_base_.rare_class_sampling, temperature=0.05),
        source=dict(pipeline=source_pipeline),
        target=dict(time=('day', 'twilight', 'night'), pipeline=target_pipeline),
    )
)
