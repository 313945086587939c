# The adversarial warm-up of IAST, for any network: `model = _base_.method` in a config.
method = dict(
    type='AdaptSegNet',
    # The first convolution is 3x3, unlike AdaptSegNet's.
    discriminator=dict(type='HeadDiscriminators', channels=64, first_kernel=3),
    # The source is 0, as in the release: first scores, which are near 0, are then right for it.
    gan_loss=dict(type='DomainGANLoss', kind='lsgan', source_label=0),
    adversarial_weight=0.05,
    discriminator_weight=0.5,
    running_statistics='all',
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
# Adam 2e-5 for both, the backbone at a tenth of it; cosine to a thousandth, per iteration. The
# release has four epochs of its 24941 images of GTAV in whole batches of 4: 24940 iterations.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        constructor='AnchoredOptimWrapperConstructor',
        optimizer=dict(type='Adam', lr=2e-5, betas=(0.9, 0.999), weight_decay=5e-4),
        paramwise_cfg=dict(custom_keys={'^.segmentor.backbone': dict(lr_mult=0.1)}),
    ),
    discriminator=dict(optimizer=dict(type='Adam', lr=2e-5, betas=(0.9, 0.999))),
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.001,
        T_max=24940,
        begin=0,
        end=24940,
        by_epoch=False,
    )
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=24940, val_interval=6235)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
