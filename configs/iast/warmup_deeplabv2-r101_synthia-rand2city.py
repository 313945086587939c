# The adversarial warm-up of IAST, SYNTHIA-RAND to Cityscapes.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/methods/iast_warmup.py',
    '../_base_/datasets/synthia_rand2city_whole.py',
    '../_base_/default_runtime.py',
]
# Crops with a height of 341 to 640 pixels of 760, as 1024x512.
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(4096, 512), keep_ratio=True, ratio_range=(760 / 640, 760 / 341)),
    dict(type='ClipCrop', crop_size=(512, 1024)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# 341 to 1000 of 1024.
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512), ratio_range=(1.024, 3.0)),
    dict(type='ClipCrop', crop_size=(512, 1024)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
train_dataloader = dict(
    batch_size=4,
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline)),
)
model = dict(
    _base_.method,
    # GTAV's is 0.05.
    adversarial_weight=0.001,
    # As released: batch norm's affine part is fixed, and the cross-entropy is the mean over the
    # labelled pixels.
    student=dict(
        segmentor=dict(
            backbone=dict(norm_cfg=dict(requires_grad=False)),
            decode_head=dict(loss_decode=dict(avg_non_ignore=True)),
            auxiliary_head=None,
        )
    ),
    source_checkpoint='work_dirs/source_only/deeplabv2-r101_synthia-rand2city/iter_40000.pth',
)
# Four epochs of 9400 images in batches of 4.
param_scheduler = [
    dict(
        type='CosineAnnealingLR', eta_min_ratio=0.001, T_max=9400, begin=0, end=9400, by_epoch=False
    )
]
train_cfg = dict(max_iters=9400, val_interval=2350)
