# MinEnt without its losses of the source: the small recipe, with STPL's small schedule.
_base_ = '../models/effnet-lite0.py'
model = dict(type='MinEnt', norm_eval=True, entropy_weight=1.0, auxiliary_entropy_weight=0.2)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-5, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
