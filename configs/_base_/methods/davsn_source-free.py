# DA-VSN without its losses of the source, DA-VSN* of STPL's tables, with the training settings of
# STPL, for any network: `model = _base_.method` in a config.
method = dict(
    type='DAVSN',
    # Source clips are an error.
    source_free=True,
    # The remaining part of the method: consistency over time.
    discriminator=None,
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
# The fusion of the frames gets no gradient.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel', find_unused_parameters=True)
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4),
        clip_grad=dict(max_norm=1.0),
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
