# Stage two of SFC: as that of the source model, 160k iterations.
_base_ = './sfc_stage2_80k.py'
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0., begin=0, end=160000, by_epoch=False)
]
train_cfg = dict(max_iters=160000)
