# TPS without its losses of the source, TPS* of STPL's tables, with the training settings of STPL,
# for any network: `model = _base_.method` in a config.
method = dict(
    type='TPS',
    # Source clips are an error.
    source_free=True,
    # SYNTHIA; VIPER has 0.1.
    pseudo_weight=1.0,
    auxiliary_weight=0.1,
    # The release has none.
    confidence_threshold=None,
    histogram_matching=True,
    rescale=(0.8, 1.2),
    mirror_prob=0.5,
    running_statistics='all',
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
