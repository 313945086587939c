# DA-VSN with the values of its release.
_base_ = '../models/accel-davsn_deeplabv2-r101.py'
model = dict(
    type='DAVSN',
    discriminator=dict(type='SpatioTemporalDiscriminator', channels=64),
    gan_loss=dict(type='DomainGANLoss', kind='vanilla'),
    adversarial_weight=0.001,
    # That of ADVENT.
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
