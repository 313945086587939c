# STPL, section 4.1: SGD with momentum 0.9, lr 2.5e-6, poly 0.9, 20k iterations. The weight decay is
# not stated; it is that of DA-VSN and TPS, whose setting the paper follows.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
