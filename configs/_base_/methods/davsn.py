# DA-VSN with the values of its release, for any network: `model = _base_.method` in a config.
method = dict(
    type='DAVSN',
    discriminator=dict(type='SpatioTemporalDiscriminator', channels=64),
    gan_loss=dict(type='DomainGANLoss', kind='vanilla'),
    adversarial_weight=0.001,
    # Same as in ADVENT.
    auxiliary_adversarial_weight=0.0002,
    discriminator_weight=0.5,
    # lambda_u * lambda_wd.
    likeness_weight=0.001,
    consistency_loss=dict(type='TemporalConsistencyLoss', loss_weight=0.001),
    # lambda_u of the auxiliary classifier too.
    auxiliary_weight=1.0,
    running_statistics='all',
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
# SGD 2.5e-4 and, for the discriminators, Adam 1e-4; both decay by poly 0.9 as if
# for 250k iterations and stop after 120k. Rates of fusion and classifiers:
# schedules/advent_40k.py.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        constructor='AnchoredOptimWrapperConstructor',
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        paramwise_cfg=dict(
            custom_keys={
                '^.fusion': dict(lr_mult=10.0),
                '^.segmentor.decode_head': dict(lr_mult=10.0, constant_lr=True),
                '^.segmentor.auxiliary_head': dict(lr_mult=10.0, constant_lr=True),
            }
        ),
        clip_grad=dict(max_norm=1.0),
    ),
    discriminator=dict(
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
        # Each of the four separately.
        clip_grad=dict(max_norm=1.0),
        clip_each=(
            'spatio_temporal.decode',
            'spatio_temporal.aux',
            'spatial.decode',
            'spatial.aux',
        ),
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=250000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=120000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
