# MinEnt without its losses of the source, with the training settings of STPL, for any network:
# `model = _base_.method` in a config.
method = dict(
    type='MinEnt',
    # Source clips are an error.
    source_free=True,
    # There is nothing to weigh the entropy against; its two parts are weighed as released.
    entropy_weight=1.0,
    auxiliary_entropy_weight=0.2,
    norm_eval=True,
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
