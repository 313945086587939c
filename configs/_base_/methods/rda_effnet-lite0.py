# RDA's small recipe: one level.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='RDA',
    reference='source',
    bands=32,
    portion=0.1,
    released_bands=False,
    protection_weight=0.0002,
    consistency_weight=1.0,
    rescale=(0.8, 1.2),
    discriminator=dict(type='HeadDiscriminators', channels=64),
    gan_loss=dict(type='DomainGANLoss', kind='vanilla'),
    adversarial_weight=0.001,
    # Without effect where the network has no auxiliary classifier (a single level).
    auxiliary_adversarial_weight=0.0002,
    discriminator_weight=0.5,
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2), clip_grad=dict(max_norm=1.0)
    ),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
    gate=dict(optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4)),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
