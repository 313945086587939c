# DA-VSN on MiniDrive: minutes on two cores.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minicity.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    {{_base_.flow}},
    dict(type='PackClipInputs'),
]
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
model = dict(
    type='DAVSN',
    student=dict(propagation='splat'),
    # A quarter of the published width, at which the four would take longer than all else.
    discriminator=dict(type='SpatioTemporalDiscriminator', channels=16),
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
    # In 200 iterations, statistics of both domains fit neither domain.
    running_statistics='target',
    source_checkpoint='work_dirs/source_only/accel-r18_miniviper2minicity/iter_800.pth',
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
# From a source-only model (docs/results_2026.md), not the 120k iterations from ImageNet weights.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='AdamW', lr=3e-4, weight_decay=1e-2), clip_grad=dict(max_norm=1.0)
    ),
    discriminator=dict(
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
        clip_grad=dict(max_norm=1.0),
        clip_each=(
            'spatio_temporal.decode',
            'spatio_temporal.aux',
            'spatial.decode',
            'spatial.aux',
        ),
    ),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=200, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=200, val_interval=200)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
