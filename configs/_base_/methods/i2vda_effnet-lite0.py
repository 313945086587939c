# I2VDA's small recipe.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='I2VDA',
    discriminator=dict(type='ImageDiscriminator'),
    gan_loss=dict(type='DomainGANLoss', kind='lsgan'),
    adversarial_weight=0.01,
    consistency_weight=1.0,
    flow=dict(type='DISFlowEstimator'),
    t=None,
    alpha=0.5,
    eta=1.0,
    delta=0.3,
    mask_grid='current',
)
custom_hooks = [dict(type='ProxyNetworkHook', launch=50, interval=25)]
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2)),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=150, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=150, val_interval=150)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
