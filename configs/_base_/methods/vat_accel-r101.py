# VAT, phase 1 of VAT-VST, on Accel, as STPL's tables have it.
_base_ = '../models/accel-tps_deeplabv2-r101.py'
model = dict(
    type='VAT',
    # No loss of the paper sees a second classifier.
    student=dict(segmentor=dict(auxiliary_head=None)),
    tube_loss=dict(type='TubeDiceLoss'),
    discriminator=dict(type='SequenceDiscriminator'),
    gan_loss=dict(type='DomainGANLoss', kind='vanilla'),
    # lambda_V, which the paper does not give: that of AdaptSegNet.
    adversarial_weight=0.001,
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
