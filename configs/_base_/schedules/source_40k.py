# Training on labels where the paper gives no schedule (VAT-VST): SGD, poly 0.9, the classifiers at
# ten times the rate, as AdaptSegNet and ADVENT train DeepLab-v2, over 40k iterations.
# What the releases of ADVENT's family run Accel with is advent_40k.py.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
