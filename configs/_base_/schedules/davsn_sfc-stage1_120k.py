# DA-VSN in stage one of SFC: the student as SFC's stage one has it (sfc_stage1_80k.py),
# clipping and discriminators as in DA-VSN's release; both decay over these 120k iterations.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        constructor='AnchoredOptimWrapperConstructor',
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        paramwise_cfg=dict(
            custom_keys={
                '^.segmentor.decode_head': dict(lr_mult=10.0),
                '^.segmentor.auxiliary_head': dict(lr_mult=10.0),
            }
        ),
        clip_grad=dict(max_norm=1.0),
    ),
    discriminator=dict(
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
        clip_grad=dict(max_norm=1.0),
        clip_each=(
            'spatio_temporal.decode',
            'spatio_temporal.aux',
            'spatial.decode',
            'spatial.aux',
        ),
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=120000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=120000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
