# Stage one of SFC's Accel: SGD, poly 0.9 over 80k of all groups, the classifiers at ten times the
# rate.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0),
            '^.student.reference_segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.reference_segmentor.auxiliary_head': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=80000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
