# TPS without its losses of the source, as STPL's tables have it.
_base_ = './accel-effnet-lite0_day2dusk.py'
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None))
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-5, momentum=0.9, weight_decay=5e-4),
)
