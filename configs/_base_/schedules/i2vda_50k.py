# I2VDA, section 4.2: 50k iterations, the student with SGD 2.5e-4, the discriminator with Adam 1e-4,
# both with poly 0.9. Weight decay and the classifier at ten times the rate are those of
# AdaptSegNet, which the paper follows.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        constructor='AnchoredOptimWrapperConstructor',
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        paramwise_cfg=dict(custom_keys={'^.segmentor.decode_head': dict(lr_mult=10.0)}),
    ),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=50000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=50000, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
