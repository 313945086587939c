# IAST after its warm-up, GTAV to Cityscapes: 52.2 mIoU in SePiCo's table 1.
# tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/methods/iast.py',
    '../_base_/datasets/gta2city_whole.py',
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
default_hooks = dict(checkpoint=dict(interval=3117))
larger = {'pseudo_label_generator.pipeline.1.scale': (1536, 768)}
rounds = [_base_.rounds[0], *({**own, **larger} for own in _base_.rounds[1:])]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/iast_deeplabv2-r101_gta2city',
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
    source_checkpoint='work_dirs/iast/warmup_deeplabv2-r101_gta2city/iter_24940.pth',
)
