# sepico_40k.py with the 60k iterations of the release for Dark Zurich.
_base_ = './sepico_40k.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False),
    dict(type='GroupPolyLR', power=1.0, eta_min=0.0, begin=0, end=60000, by_epoch=False),
]
train_cfg = dict(max_iters=60000)
