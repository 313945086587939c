# DA-VSN's release: SGD 2.5e-4 and, for the discriminators, Adam 1e-4; both decay by poly 0.9 as if
# for 250k iterations and stop after 120k. Rates of fusion and classifiers: advent_40k.py.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        constructor='AnchoredOptimWrapperConstructor',
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        paramwise_cfg=dict(
            custom_keys={
                '^.fusion': dict(lr_mult=10.0),
                '^.segmentor.decode_head': dict(lr_mult=10.0, constant_lr=True),
                '^.segmentor.auxiliary_head': dict(lr_mult=10.0, constant_lr=True),
            }
        ),
        clip_grad=dict(max_norm=1.0),
    ),
    discriminator=dict(
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
        # Each of the four by itself.
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
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=250000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=120000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
