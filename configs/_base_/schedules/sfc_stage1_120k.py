# Stage one of SFC: the schedule of the source-only models, 120k iterations.
_base_ = './source_40k.py'
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0., begin=0, end=120000, by_epoch=False)
]
train_cfg = dict(max_iters=120000)
