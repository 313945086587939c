# PixMatch with the values of its release, for any network: `model = _base_.method` in a config.
method = dict(
    type='PixMatch',
    # The "baseline" of the release's README; its other model has 0.1 for Fourier and CutMix
    # instead.
    augmentation_weight=0.1,
    fourier_weight=0.0,
    cutmix_weight=0.0,
    # The release's threshold is 0: all pixels.
    confidence_threshold=None,
    auxiliary_weight=0.1,
    augment=dict(type='StrongAugment'),
    crop=dict(size=(512, 512), scale=(0.2, 1.0)),
    beta=0.01,
    # The release has 'half', of FDA's training code.
    window='symmetric',
    running_statistics='all',
)
# Validations, tests and checkpoints have the moving average of the weights, 0.999, which trains
# nothing.
custom_hooks = [dict(type='EMAHook', momentum=0.001)]
# SGD 1e-4, everything but the backbone at ten times that, poly 0.9 over 40k iterations.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=1e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            # The release lists the backbone's parameters three times, and SGD takes a step for
            # each: its code is 3.0, the paper 1.0.
            '^.student.segmentor.backbone': dict(lr_mult=1.0),
            '^.student.fusion': dict(lr_mult=10.0),
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
