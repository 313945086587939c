# CRST's MRKLD as released, SYNTHIA-RAND to Cityscapes: 43.8 mIoU of 16 classes,
# 50.1 of 13 in SePiCo's table 2.
# tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/methods/crst.py',
    '../_base_/datasets/synthia_rand2city_whole.py',
    '../_base_/default_runtime.py',
]
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 760), ratio_range=(0.5, 1.5)),
    dict(type='ClipCrop', crop_size=(512, 1024)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(2048, 1024), ratio_range=(0.5, 1.5)),
    dict(type='ClassMiningCrop', crop_size=(512, 1024), share=0.001, prob=0.8),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# At 0.9 of the full size.
prediction_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1843, 922)),
    dict(type='PackClipInputs'),
]
train_dataloader = dict(
    dataset=dict(
        source_portion=0.03,
        source=dict(pipeline=source_pipeline),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/crst_mrkld_deeplabv2-r101_synthia-rand2city',
            pipeline=labelled_pipeline,
        ),
    )
)
# 9400 source and 2975 target frames.
rounds = [
    {**own, 'model.source_weight': 9400 * own['train_dataloader.dataset.source_portion'] / 2975}
    for own in _base_.rounds
]
pseudo_label_generator = dict(pipeline=prediction_pipeline)
model = dict(
    _base_.method,
    source_weight=rounds[0]['model.source_weight'],
    # As released: batch norm's affine part is fixed, and the cross-entropy of the source is the
    # mean over its labelled pixels.
    student=dict(
        segmentor=dict(
            backbone=dict(norm_cfg=dict(requires_grad=False)),
            decode_head=dict(loss_decode=dict(avg_non_ignore=True)),
            auxiliary_head=None,
        )
    ),
    source_checkpoint='work_dirs/source_only/deeplabv2-r101_synthia-rand2city/iter_40000.pth',
)
