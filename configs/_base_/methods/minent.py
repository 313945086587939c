# MinEnt with the values of ADVENT's release, for any network: `model = _base_.method` in a config.
method = dict(
    type='MinEnt',
    entropy_weight=0.001,
    # Without effect where the network has no auxiliary classifier.
    auxiliary_entropy_weight=0.0002,
)
# SGD 2.5e-4, everything but the backbone at ten times that; it decays by poly 0.9 as if for 250k
# iterations and stops after 120k.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            # The release lists the backbone's convolutions three times, and SGD takes a step for
            # each: its code is 3.0, the paper 1.0.
            '^.student.segmentor.backbone': dict(lr_mult=1.0),
            '^.student.fusion': dict(lr_mult=10.0),
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=250000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=120000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
