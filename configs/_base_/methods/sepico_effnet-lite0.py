# SePiCo's small recipe.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='SePiCo',
    norm_eval=True,
    contrastive_loss=dict(type='DistCLLoss', temperature=100.0, loss_weight=1.0, reg_weight=1.0),
    statistics=dict(type='ClassStatistics', covariance='diagonal'),
    projection=dict(type='ProjectionHead', channels=128),
    contrast_stages=(3,),
    label_ratio=0.75,
    confidence_threshold=0.968,
    augment=dict(type='StrongAugment'),
)
custom_hooks = [
    dict(type='EMATeacherHook', momentum=0.99),
    dict(type='OnlineStatisticsHook', contrast_start=20),
]
# The projection head gets no gradient before the contrast starts.
find_unused_parameters = True
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=250, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=250, val_interval=250)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
