# CBST small recipe.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='OfflineSelfTraining',
    source_weight=0.25,
    norm_eval=True,
)
pseudo_label_generator = dict(selection='cbst', portion=0.2, every=4, aggregate=False, mirror=True)
# tools/run_phases.py walks through them. The whole source takes part: 3 % would be a few frames.
rounds = [
    {'pseudo_label_generator.portion': 0.2},
    {'pseudo_label_generator.portion': 0.25},
    {'pseudo_label_generator.portion': 0.3},
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=5e-5, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=80, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80, val_interval=80)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
