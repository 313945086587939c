# TENT's small recipe: predictions by the running statistics of the target, as an exported net has
# them.
_base_ = '../models/effnet-lite0.py'
model = dict(type='TENT', batch_statistics=False, norm_eval=False)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.0)
)
param_scheduler = []
train_cfg = dict(type='IterBasedTrainLoop', max_iters=50, val_interval=50)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
