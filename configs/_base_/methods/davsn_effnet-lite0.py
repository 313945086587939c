# DA-VSN's small recipe.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='DAVSN',
    student=dict(type='Accel', propagation='splat'),
    discriminator=dict(type='SpatioTemporalDiscriminator', channels=16),
    gan_loss=dict(type='DomainGANLoss', kind='vanilla'),
    adversarial_weight=0.001,
    discriminator_weight=0.5,
    likeness_weight=0.001,
    consistency_loss=dict(type='TemporalConsistencyLoss', loss_weight=0.001),
    auxiliary_weight=0.0,
    auxiliary_adversarial_weight=0.0,
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2), clip_grad=dict(max_norm=1.0)
    ),
    discriminator=dict(
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
        clip_grad=dict(max_norm=1.0),
        clip_each=('spatio_temporal.decode', 'spatial.decode'),
    ),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
