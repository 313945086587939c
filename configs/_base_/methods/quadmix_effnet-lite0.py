# QuadMix's small recipe.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='QuadMix',
    student=dict(type='Accel', padding_mode='border'),
    pseudo_weight=1.0,
    auxiliary_weight=0.0,
    confidence_threshold=None,
    template_confidence=0.9,
    mmd_weight=0.01,
    histogram_matching=True,
)
custom_hooks = [dict(type='StudentLabelsHook', start=20)]
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
