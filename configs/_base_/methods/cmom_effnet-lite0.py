# CMOM's small recipe.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='CMOM',
    student=dict(type='Accel', propagation='splat'),
    mix_share=0.75,
    # A fifth of the published banks: those are not full before the end of so short a run.
    alignment=dict(
        type='FeatureAlignment',
        # Those of VIPER's 15 classes.
        background=(0, 1, 2, 3, 6, 7, 8),
        foreground=(4, 5, 9, 10, 11, 12, 13, 14),
        prototypes=10,
        instances=100,
        components=10,
        loss_weight=0.01,
    ),
)
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
    seed=0,
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
