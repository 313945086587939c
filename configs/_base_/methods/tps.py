# TPS with the values of its release, for any network: `model = _base_.method` in a config.
method = dict(
    type='TPS',
    # SYNTHIA; VIPER has 0.1.
    pseudo_weight=1.0,
    auxiliary_weight=0.1,
    # The release has none.
    confidence_threshold=None,
    histogram_matching=True,
    rescale=(0.8, 1.2),
    mirror_prob=0.5,
    running_statistics='all',
)
# As source-only in the releases of ADVENT's family: SGD, poly 0.9 as if for 250k iterations,
# stopped after 40k. Their helper decays two groups of parameters, the second at ten times the rate,
# and an Accel has three: backbone, fusion, classifiers. So the fusion has the second one's rate,
# and the classifiers keep ten times the rate that they begin with.
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
