# HCL for any network with two classifiers, as its release has it: `model = _base_.method` in a
# config.
method = dict(
    type='HCL',
    projection=dict(
        type='ProjectionHead',
        hidden_channels=2048,
        channels=128,
        norm_cfg=dict(type='BN'),
        norm_last=False,
    ),
    contrast=dict(type='HistoricalContrastLoss', temperature=0.07, margin=0.1, loss_weight=0.5),
    contrast_level=2,
    class_weights=dict(pixels=4096, largest=7.0, momentum=0.9),
    auxiliary_weight=0.5,
    teacher_norm='batch',
    norm_eval=False,
)
# Every pixel has a label.
pseudo_label_generator = dict(
    selection='all',
    aggregate=False,
    mirror=True,
    scales=(1.0, 1.25),
    # Of Cityscapes-Seq the annotated ones, not all of the snippets.
    frames='training',
)
custom_hooks = [
    dict(type='EMATeacherHook', momentum=0.996),
    dict(type='HistoryHook', interval=300),
]
# The table's settings are those of STPL (its section 4.1): lr 2.5e-6, poly 0.9, 20k iterations.
# Nesterov's momentum, and classifiers and projection at ten times the rate, as in the release.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, nesterov=True, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0),
            '^.projection': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
