# i2vda_deeplabv2-r101.py with the small net and the proxy's schedule for 150 iterations.
_base_ = '../models/deeplabv2-r18.py'
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
    # In 150 iterations those of both domains fit neither, and the proxy labels by them
    # (docs/results.md).
    running_statistics='target',
)
custom_hooks = [dict(type='ProxyNetworkHook', launch=100, interval=50)]
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
