# AdaptSegNet with masked target images, GTAV to Cityscapes, as MIC's table 1 has it: DeepLab-v2 of
# two dilations without auxiliary classifier, DAFormer's crops, least squares, one rate of SGD; the
# teacher is there for the masked images alone.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/datasets/gta2city_512.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='AdaptSegNet',
    discriminator=dict(type='HeadDiscriminators', channels=64),
    gan_loss=dict(type='DomainGANLoss', kind='lsgan', source_label=0),
    adversarial_weight=0.001,
    discriminator_weight=0.5,
    confidence_threshold=0.968,
    # Blocks of 32 pixels for crops of 512x512.
    masked=dict(
        type='MaskedConsistency',
        block_size=32,
        mask_ratio=0.7,
        mode='target',
        augment=dict(type='StrongAugment', per_batch=True),
        loss_weight=1.0,
    ),
    student=dict(segmentor=dict(decode_head=dict(dilations=(6, 12)))),
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.999)]
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(optimizer=dict(type='SGD', lr=2.5e-3, momentum=0.9, weight_decay=5e-4)),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
# The student's as DAFormer's: warm-up over 1500 iterations, times a poly of power 1.
param_scheduler = dict(
    student=[
        dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False),
        dict(type='GroupPolyLR', power=1.0, eta_min=0.0, begin=0, end=40000, by_epoch=False),
    ],
    discriminator=[
        dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)
    ],
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
