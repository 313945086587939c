# davsn_accel-r101.py with the small net.
_base_ = '../models/accel_deeplabv2-r18.py'
model = dict(
    type='DAVSN',
    student=dict(propagation='splat'),
    # A quarter of the published width, at which the four would take longer than all else.
    discriminator=dict(type='SpatioTemporalDiscriminator', channels=16),
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
    # In 200 iterations statistics of both domains fit neither.
    running_statistics='target',
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
