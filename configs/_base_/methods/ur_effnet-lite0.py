# UR's small recipe: the release's but for rate, iterations and batch norm.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='UR',
    num_decoders=4,
    dropout_ratio=0.5,
    dilations=(6, 12, 18, 24),
    uncertainty_weight=0.1,
    regulariser=dict(type='EntropyLoss', normalised=True, loss_weight=1.0),
    norm_eval=True,
)
# The labels of CBST: the most confident 20 % of each class.
pseudo_label_generator = dict(selection='cbst', aggregate=False, portion=0.2, every=10, mirror=True)
# STPL's small schedule; the decoders, which begin at random, at ten times the rate, as released.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=1e-5, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'^.decoders': dict(lr_mult=10.0)}),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
