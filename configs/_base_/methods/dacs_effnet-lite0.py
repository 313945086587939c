# DACS's small recipe: the paper's but for rate, iterations and the teacher's momentum.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='DACS',
    norm_eval=True,
    confidence_threshold=0.968,
    augment=dict(type='StrongAugment'),
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.99)]
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=250, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=250, val_interval=250)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
