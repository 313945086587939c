# VFM-UDA++ with the values of its release. With `custom_hooks = _base_.teacher` in a config,
# `model = _base_.method` is DACS in its setting, and
# `model = dict(_base_.method, masked=_base_.masked, distillation=_base_.distillation)` the whole;
# without them what is left is the schedule.
# Brightness, contrast and saturation are factors, hue is a share of the circle.
weak = dict(
    type='TorchvisionAugment',
    brightness=32 / 255,
    contrast=0.5,
    saturation=0.5,
    hue=18 / 360,
    jitter_prob=0.9,
    blur_prob=0.0,
)
strong = dict(
    type='TorchvisionAugment',
    brightness=0.8,
    contrast=0.8,
    saturation=0.8,
    hue=0.4,
    jitter_prob=0.8,
    grey_prob=0.1,
    blur_prob=0.5,
    blur_sigma=(0.15, 3.0),
)
mixed = dict(
    type='TorchvisionAugment',
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue=0.2,
    jitter_prob=0.8,
    blur_prob=0.5,
    blur_sigma=(0.15, 1.15),
)
method = dict(
    type='DACS',
    confidence_threshold=0.968,
    mirrored=True,
    augment=mixed,
    source_augment=strong,
    target_augment=weak,
)
# The release hides 18x18 blocks, of 64 pixels of the 1120 that crops are resized to.
masked = dict(
    type='MaskedConsistency',
    block_size=57,
    mask_ratio=0.7,
    mode='target',
    augment=mixed,
    loss_weight=1.0,
)
# The frozen network is DINOv2's ViT-L/14 with registers, whatever the student is.
distillation = dict(
    type='FeatureDistillation',
    backbone=dict(
        type='DINOv2',
        arch='large',
        num_registers=4,
        init_cfg=dict(type='Pretrained', checkpoint='data/dinov2/dinov2_vitl14_reg4_pretrain.pth'),
    ),
    size=(406, 406),
    loss_weight=0.1,
    augment=weak,
)
teacher = [dict(type='EMATeacherHook', momentum=0.999)]
# The rate of a config is multiplied by the square root of all images of a step, as published: 4
# processes with 2 images each here.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='LayerDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-5 * 8**0.5, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(lr_mult=0.1, decay=0.9),
)
# Warm-up to the full rate, then the line of 1 - i / 40000, which begins at 0.9625.
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=1500, by_epoch=False),
    dict(type='ConstantLR', factor=1 - 1500 / 40000, begin=1500, end=40001, by_epoch=False),
    dict(type='GroupPolyLR', power=1.0, eta_min=0.0, begin=1500, end=40000, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
