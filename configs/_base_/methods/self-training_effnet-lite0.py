# Vanilla self-training, the baseline of STPL's table 3, with STPL's small schedule.
_base_ = '../models/effnet-lite0.py'
model = dict(type='SelfTraining', student=dict(type='Accel'), confident_ratio=0.7, norm_eval=True)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-5, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
