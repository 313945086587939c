# HCL's small recipe: the release's but for rate, iterations, batch norm and how often history is
# recorded, four times in a run.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='HCL',
    projection=dict(
        type='ProjectionHead',
        hidden_channels=256,
        channels=128,
        norm_cfg=dict(type='BN'),
        norm_last=False,
    ),
    contrast=dict(type='HistoricalContrastLoss', temperature=0.07, margin=0.1, loss_weight=0.5),
    contrast_level=2,
    # The same share of an image as 64x64 of the release's crops of 512x256.
    class_weights=dict(pixels=2400, largest=7.0, momentum=0.9),
    auxiliary_weight=0.5,
    teacher_norm='student',
    norm_eval=True,
)
# Every pixel has a label.
pseudo_label_generator = dict(selection='all', aggregate=False, mirror=True, scales=(1.0, 1.25))
custom_hooks = [
    dict(type='EMATeacherHook', momentum=0.996),
    dict(type='HistoryHook', interval=25),
]
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
