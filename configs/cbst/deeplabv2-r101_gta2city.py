# CBST as released, GTAV to Cityscapes: 45.9 mIoU in SePiCo's table 1.
# tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/methods/cbst.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1914, 1052), ratio_range=(0.5, 1.5)),
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
            pseudo_labels='work_dirs/pseudo_labels/cbst_deeplabv2-r101_gta2city',
            pipeline=labelled_pipeline,
        ),
    )
)
pseudo_label_generator = dict(pipeline=prediction_pipeline)
model = dict(
    _base_.method,
    # As released: batch norm's affine part is fixed, and the cross-entropy of the source is the
    # mean over its labelled pixels.
    student=dict(
        segmentor=dict(
            backbone=dict(norm_cfg=dict(requires_grad=False)),
            decode_head=dict(loss_decode=dict(avg_non_ignore=True)),
            auxiliary_head=None,
        )
    ),
    source_checkpoint='work_dirs/source_only/deeplabv2-r101_gta2city/iter_40000.pth',
)
