# CCM's small recipe.
_base_ = '../models/effnet-lite0.py'
model = dict(type='CCM', entropy_weight=0.5, double_softmax=False, norm_eval=True)
pseudo_label_generator = dict(selection='ccm', portion=0.1, every=5, aggregate=False)
# Of a few hundred source frames.
source_selection = dict(count=40, pool=0.5, centres=10, pixels=0.9)
# tools/run_phases.py walks through them.
rounds = [{'optim_wrapper.optimizer.lr': 7.5e-5 / 2 ** (number / 2)} for number in range(3)]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=7.5e-5, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=80, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80, val_interval=80)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
