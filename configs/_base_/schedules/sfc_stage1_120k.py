# Stage one of SFC: that of its source model, 120k iterations.
_base_ = './sfc_stage1_80k.py'
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=120000, by_epoch=False)
]
train_cfg = dict(max_iters=120000)
