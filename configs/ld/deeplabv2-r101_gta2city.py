# LD as first released, source-free, GTAV to Cityscapes.
# tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/methods/ld.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
# The shorter side becomes 720 times 0.5 to 1.5.
labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
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
prediction_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'ClipFlip']
# Source-free: this run has no source data set.
train_dataloader = dict(
    batch_size=3,
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/ld_deeplabv2-r101_gta2city',
            pipeline=labelled_pipeline,
        ),
    ),
)
pseudo_label_generator = dict(pipeline=prediction_pipeline)
# More labels and a lower rate in each round; tools/run_phases.py walks through them.
rounds = [
    {
        'pseudo_label_generator.portion': (20 + 5 * number) / 100,
        'optim_wrapper.optimizer.lr': 7.5e-5 / 2 ** (number / 2),
    }
    for number in range(5)
]
model = dict(
    _base_.method,
    # No loss uses a second classifier.
    student=dict(segmentor=dict(auxiliary_head=None)),
    source_checkpoint='work_dirs/source_only/deeplabv2-r101_gta2city/iter_40000.pth',
)
# Those of STPL's tables in the base; these are the release's.
optim_wrapper = dict(
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(lr=7.5e-5),
    paramwise_cfg=dict(custom_keys={'^.student.segmentor.decode_head': dict(lr_mult=10.0)}),
)
# A round is one epoch of 2975 images in batches of 3, poly 0.9 as if over 5000 iterations.
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=5000, by_epoch=False)
]
train_cfg = dict(max_iters=991, val_interval=991)
