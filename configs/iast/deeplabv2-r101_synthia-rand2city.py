# IAST after its warm-up, SYNTHIA-RAND to Cityscapes: 49.8 mIoU of 16 classes,
# 57.0 of 13 in SePiCo's table 2.
# tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/methods/iast.py',
    '../_base_/datasets/synthia_rand2city_whole.py',
    '../_base_/default_runtime.py',
]
# Crops with a height of 341 to 1000 pixels of 1024, as 1024x512.
labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1024, 512), ratio_range=(1.024, 3.0)),
    dict(type='ClipCrop', crop_size=(512, 1024)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
prediction_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 640)),
    dict(type='PackClipInputs'),
]
# The checkpoint that labels the next round.
default_hooks = dict(checkpoint=dict(interval=1175))
larger = {'pseudo_label_generator.pipeline.1.scale': (1536, 768)}
# Epochs are those of SYNTHIA-RAND's 9400 images in batches of 8.
half = {'pseudo_label_generator.checkpoint': '{previous}/iter_1175.pth'}
rounds = [_base_.rounds[0], *({**own, **half, **larger} for own in _base_.rounds[1:])]
param_scheduler = [
    dict(
        type='CosineAnnealingLR', eta_min_ratio=0.001, T_max=3525, begin=0, end=3525, by_epoch=False
    )
]
train_cfg = dict(max_iters=2350, val_interval=1175)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/iast_deeplabv2-r101_synthia-rand2city',
            pipeline=labelled_pipeline,
        ),
    ),
)
pseudo_label_generator = dict(pipeline=prediction_pipeline)
model = dict(
    _base_.method,
    # As released: batch norm's affine part is fixed, and the cross-entropy is the mean over the
    # labelled pixels.
    student=dict(
        segmentor=dict(
            backbone=dict(norm_cfg=dict(requires_grad=False)),
            decode_head=dict(loss_decode=dict(avg_non_ignore=True)),
            auxiliary_head=None,
        )
    ),
    source_checkpoint='work_dirs/iast/warmup_deeplabv2-r101_synthia-rand2city/iter_9400.pth',
)
