# DA-VSN in stage two of SFC: the student as SFC's stage two has it (sfc_stage2_160k.py), clipping
# and discriminators as in DA-VSN's release. Stage two has no auxiliary classifier.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='SGD', lr=5e-4, momentum=0.9, weight_decay=5e-4),
        clip_grad=dict(max_norm=1.0),
    ),
    discriminator=dict(
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
        clip_grad=dict(max_norm=1.0),
        clip_each=('spatio_temporal.decode', 'spatial.decode'),
    ),
)
param_scheduler = dict(
    student=[dict(type='ConstantLR', factor=0.1, begin=0, end=1001, by_epoch=False)],
    discriminator=[
        dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=160000, by_epoch=False)
    ],
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=160000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
