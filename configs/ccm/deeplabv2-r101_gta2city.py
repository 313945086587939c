# CCM as released, GTAV to Cityscapes.
# tools/run_phases.py labels the target and selects source frames before each round.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/methods/ccm.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
# The shorter side becomes 720 times 0.85 to 1.5.
augment = [
    dict(
        type='ClipResize',
        scale=(4096, 720),
        keep_ratio=True,
        ratio_range=(0.85, 1.5),
        interpolation='bicubic',
    ),
    dict(type='ClipCrop', crop_size=(600, 600)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
labelled_pipeline = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), *augment]
prediction_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'ClipFlip']
train_dataloader = dict(
    dataset=dict(
        source=dict(
            with_labels=False,
            pseudo_labels='work_dirs/pseudo_labels/ccm_deeplabv2-r101_gta2city_source',
            pipeline=labelled_pipeline,
        ),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/ccm_deeplabv2-r101_gta2city',
            pipeline=labelled_pipeline,
        ),
    )
)
pseudo_label_generator = dict(pipeline=prediction_pipeline)
source_selection = dict(source={{_base_.source_train}})
model = dict(
    _base_.method,
    # As released: batch norm's affine part is fixed.
    student=dict(
        segmentor=dict(backbone=dict(norm_cfg=dict(requires_grad=False)), auxiliary_head=None)
    ),
    source_checkpoint='work_dirs/source_only/deeplabv2-r101_gta2city/iter_40000.pth',
)
