# The small recipe of STPL (configs/stpl/README.md), not the paper's 2.5e-6 and 20k iterations.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=3e-4, momentum=0.9, weight_decay=5e-4),
    # The random layers that only training has learn faster than the network, and so does the 1x1
    # convolution with which Accel joins its frames: docs/results.md is measured like this.
    paramwise_cfg=dict(
        custom_keys={
            '^.projection': dict(lr_mult=10.0),
            '^.fusion': dict(lr_mult=10.0),
            '^.student.fusion': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
