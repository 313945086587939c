# AdaptSegNet with the values of its release, for any network: `model = _base_.method` in a config.
method = dict(
    type='AdaptSegNet',
    discriminator=dict(type='HeadDiscriminators', channels=64),
    gan_loss=dict(type='DomainGANLoss', kind='vanilla'),
    adversarial_weight=0.001,
    # Without effect where the network has no auxiliary classifier (a single level).
    auxiliary_adversarial_weight=0.0002,
    discriminator_weight=0.5,
    running_statistics='all',
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
# SGD 2.5e-4, everything but the backbone at ten times that, and, for the discriminators, Adam 1e-4;
# both decay by poly 0.9 as if for 250k iterations and stop after 150k.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        constructor='AnchoredOptimWrapperConstructor',
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        paramwise_cfg=dict(
            custom_keys={
                # The release lists the backbone's convolutions three times, and SGD takes a step
                # for each: its code is 3.0, the paper 1.0.
                '^.segmentor.backbone': dict(lr_mult=1.0),
                '^.fusion': dict(lr_mult=10.0),
                '^.segmentor.decode_head': dict(lr_mult=10.0),
                '^.segmentor.auxiliary_head': dict(lr_mult=10.0),
            }
        ),
    ),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=250000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=150000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
