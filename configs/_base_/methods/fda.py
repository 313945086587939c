# FDA with the values of its release, for any network: `model = _base_.method` in a config.
method = dict(
    type='FDA',
    # The three networks of multi-band transfer have 0.01, 0.05 and 0.09.
    beta=0.01,
    # As the paper and the release's demo; its training code has 'half'.
    window='symmetric',
    entropy=dict(
        type='RobustEntropyLoss',
        eta=2.0,
        # 1e-6 in the paper.
        epsilon=1e-8,
        # ln K. The release divides by that of 19 classes always, the paper by nothing (1.0).
        normaliser=None,
        loss_weight=0.005,
    ),
    # True for self-supervised training (SST), on labels of the mean of the three networks.
    learn_labels=False,
    source_weight=1.0,
)
# SGD 2.5e-4, everything but the backbone at ten times that; poly 0.9 as if for 150k iterations,
# stopped after 100k.
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
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=150000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
