# VFM-UDA++ on DINOv2 ViT-B/14, SYNTHIA to Cityscapes, 16 classes: 69.7 mIoU in its README.
# Shorter sides are 1024 times 0.9 to 1.1; pseudo-labels weigh nothing in the margins of the target.
_base_ = [
    '../_base_/models/dinov2-vitb14.py',
    '../_base_/methods/vfmuda.py',
    '../_base_/datasets/synthia_rand2city_1024.py',
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
        scale=(1725, 1024),
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
    dict(type='PseudoLabelMargins', top=30, bottom=256, left=61, right=61),
    dict(
        type='ClipResize',
        scale=(2048, 1024),
        ratio_range=(0.9, 1.1),
        keep_ratio=True,
        backend='pillow',
    ),
    dict(type='ClipPad', size=(1024, 1024)),
    dict(type='ClipCrop', crop_size=(1024, 1024)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
train_dataloader = dict(
    dataset=dict(
        rare_class_sampling=dict(_base_.rare_class_sampling, temperature=0.05),
        source=dict(pipeline=source_pipeline),
        target=dict(pipeline=target_pipeline),
    )
)
