# VAT, phase 1 of VAT-VST.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='VAT',
    tube_loss=dict(type='TubeDiceLoss'),
    discriminator=dict(type='SequenceDiscriminator'),
    gan_loss=dict(type='DomainGANLoss', kind='vanilla'),
    # lambda_V is not in the paper; this is AdaptSegNet's.
    adversarial_weight=0.001,
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2)),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
