# The rounds of IAST, small recipe.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='OfflineSelfTraining',
    # The release divides both by pixels times classes, as the class does.
    regulariser=dict(type='PseudoLabelRegulariser', entropy_weight=3.0, kld_weight=0.1),
    norm_eval=True,
)
pseudo_label_generator = dict(
    selection='iast', alpha=0.2, beta=0.9, gamma=8.0, start=0.9, aggregate=False
)
# tools/run_phases.py walks through them.
rounds = [
    {'pseudo_label_generator.alpha': 0.2, 'optim_wrapper.optimizer.lr': 3e-5},
    {
        'pseudo_label_generator.alpha': 0.25,
        'optim_wrapper.optimizer.lr': 2.5e-5,
        'pseudo_label_generator.checkpoint': '{previous}/iter_25.pth',
    },
    {
        'pseudo_label_generator.alpha': 0.3,
        'optim_wrapper.optimizer.lr': 2e-5,
        'pseudo_label_generator.checkpoint': '{previous}/iter_25.pth',
    },
]
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=3e-5, weight_decay=5e-4))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=50, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=50, val_interval=50)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
