# QuadMix with the values of its release on Accel, for a TPS model to start from:
# `model = dict(_base_.method, ...)` in a config.
method = dict(
    type='QuadMix',
    # SYNTHIA; VIPER has 0.2.
    pseudo_weight=1.0,
    auxiliary_weight=0.1,
    confidence_threshold=None,
    template_confidence=0.9,
    mmd_weight=0.01,
    aggregate_earlier=True,
    histogram_matching=True,
    rescale=None,
    mirror_prob=0.5,
    running_statistics='all',
    # The release's main classifier is not TPS's: 256 channels, dropout, and a 1x1 convolution.
    new_classifier=True,
)
classifier = dict(hidden_channels=256, dropout_ratio=0.1)
# The TPS model labels the target until the student does.
custom_hooks = [dict(type='StudentLabelsHook', start=8000)]
# That of TPS: SGD, poly 0.9 as if for 250k iterations, stopped after 40k. Of the three groups of an
# Accel, backbone, fusion, classifiers, the second decays at ten times the rate, and the classifiers
# keep ten times the rate that they begin with.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.fusion': dict(lr_mult=10.0),
            '^.student.segmentor.decode_head': dict(lr_mult=10.0, constant_lr=True),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0, constant_lr=True),
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=250000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
