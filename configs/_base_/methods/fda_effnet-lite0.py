# FDA's small recipe: one step, without self-supervised training.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='FDA',
    beta=0.01,
    window='symmetric',
    entropy=dict(
        type='RobustEntropyLoss', eta=2.0, epsilon=1e-8, normaliser=None, loss_weight=0.005
    ),
    learn_labels=False,
    source_weight=1.0,
    norm_eval=True,
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
