# CMOM with the values of its release, for any network: `model = _base_.method` in a config.
method = dict(
    type='CMOM',
    # Of the classes of a source clip.
    mix_share=0.75,
    # Which classes are background, which foreground, is the benchmark's.
    alignment=dict(
        type='FeatureAlignment', prototypes=50, instances=500, components=10, loss_weight=0.01
    ),
    released_flow=True,
    running_statistics='all',
)
# Once, by DA-VSN's model. Thresholds follow the pairs in the order of the data set, city by city,
# as in the release, where they do so until iteration 9000; later labels overwrite earlier ones.
pseudo_label_generator = dict(
    selection='pair',
    alpha=0.2,
    beta=0.9,
    gamma=8.0,
    start=0.9,
    cap=0.999,
    aggregate=False,
    frames='training',
    passes=3,
)
# SGD 5e-4, which decays by poly 0.9 as if for 250k iterations and stops after 40k. Rates of fusion
# and classifiers: schedules/advent_40k.py.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.fusion': dict(lr_mult=10.0),
            '^.student.segmentor.decode_head': dict(lr_mult=10.0, constant_lr=True),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0, constant_lr=True),
        }
    ),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=250000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
