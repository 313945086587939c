# Stage one of SFC's Accel: 80k iterations, otherwise the schedule of the source-only models.
_base_ = './source_40k.py'
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0., begin=0, end=80000, by_epoch=False)
]
train_cfg = dict(max_iters=80000)
