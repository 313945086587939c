# I2VDA on MiniDrive: minutes on two cores.
_base_ = [
    '../_base_/models/deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minivps_image2video.py',
    '../_base_/default_runtime.py',
]
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
    # (docs/results_2026.md).
    running_statistics='target',
    source_checkpoint='work_dirs/source_only/deeplabv2-r18_miniviper2minivps/iter_800.pth',
    student=dict(segmentor=dict(decode_head=dict(num_classes=15))),
)
custom_hooks = [dict(type='ProxyNetworkHook', launch=100, interval=50)]
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
# Minutes on two cores, from a source-only model (docs/results_2026.md), not 50k iterations from
# ImageNet weights.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(optimizer=dict(type='AdamW', lr=3e-4, weight_decay=1e-2)),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=150, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=150, val_interval=25)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
