# davsn_accel-r101.py with the Accel of SFC, for its two stages.
_base_ = '../models/accel-sfc_deeplabv2-r101.py'
model = dict(
    type='DAVSN',
    discriminator=dict(type='SpatioTemporalDiscriminator', channels=64),
    gan_loss=dict(type='DomainGANLoss', kind='vanilla'),
    adversarial_weight=0.001,
    auxiliary_adversarial_weight=0.0002,
    discriminator_weight=0.5,
    likeness_weight=0.001,
    consistency_loss=dict(type='TemporalConsistencyLoss', loss_weight=0.001),
    auxiliary_weight=1.0,
    running_statistics='all',
)
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
