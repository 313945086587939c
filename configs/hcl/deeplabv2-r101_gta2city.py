# HCL as released, source-free, GTAV to Cityscapes. Before it tools/generate_pseudo_labels.py.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/methods/hcl.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
# Student and EMA model see the same crops of 512x256.
labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(
        type='ClipResize',
        scale=(1280, 640),
        ratio_range=(0.8, 1.2),
        keep_ratio=True,
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='ClipCrop', crop_size=(256, 512)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='TPSAugment'),
    dict(type='PackClipInputs'),
]
# Source-free: this run has no source data set.
train_dataloader = dict(
    batch_size=9,
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/hcl_deeplabv2-r101_gta2city',
            pipeline=labelled_pipeline,
        ),
    ),
)
pseudo_label_generator = dict(pipeline={{_base_.target_pipeline}})
model = dict(
    _base_.method,
    # As released: batch norm's affine part is fixed. The source model has one
    # classifier.
    student=dict(
        segmentor=dict(backbone=dict(norm_cfg=dict(requires_grad=False)), auxiliary_head=None)
    ),
    source_checkpoint='work_dirs/source_only/deeplabv2-r101_gta2city/iter_40000.pth',
)
# Those of STPL's tables in the base; these are the release's.
optim_wrapper = dict(
    optimizer=dict(lr=1e-4),
    paramwise_cfg=dict(
        custom_keys=dict(
            _delete_=True,
            **{
                '^.student.segmentor.decode_head': dict(lr_mult=10.0),
                '^.projection': dict(lr_mult=10.0),
            },
        )
    ),
)
param_scheduler = [
    # The full rate from iteration 5000 on: mmengine reaches it in that before the end.
    dict(type='LinearLR', start_factor=0.1, begin=0, end=5001, by_epoch=False),
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=100000, by_epoch=False),
]
train_cfg = dict(max_iters=100000, val_interval=5000)
