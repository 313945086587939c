# VAT, phase 1 of VAT-VST, VIPER to Cityscapes-VPS.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/datasets/viper2cityvps.py',
    '../_base_/default_runtime.py',
]
# The tube loss needs the labels of both frames; the first frame of a sequence has no clip.
train_dataloader = dict(
    dataset=dict(source=dict(label_clips=True, whole_clips=True), target=dict(whole_clips=True))
)
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
# The paper gives no schedule. The student as DA-VSN, TPS and ADVENT train DeepLab-v2, the
# discriminator as AdaptSegNet and ADVENT do; the decay ends after 40k iterations, for both.
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
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
