# Minutes on two cores, from a source-only model (docs/results.md), not 50k iterations from ImageNet
# weights.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(optimizer=dict(type='AdamW', lr=3e-4, weight_decay=1e-2)),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=150, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=150, val_interval=25)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
