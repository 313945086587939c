# LD's small recipe: the release's but for rate, iterations and batch norm.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='OfflineSelfTraining',
    regulariser=dict(type='NegativeLearning', width=3, entropy_weight=1.0, negative_weight=1.0),
    norm_eval=True,
)
# The labels of CCM, in the first round: the most confident 20 % of each class, and of each frame.
pseudo_label_generator = dict(selection='ccm', aggregate=False, portion=0.2, every=5)
# STPL's small schedule.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-5, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
