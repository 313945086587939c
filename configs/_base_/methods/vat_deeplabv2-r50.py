# VAT, phase 1 of VAT-VST.
_base_ = '../models/deeplabv2-r50.py'
model = dict(
    type='VAT',
    tube_loss=dict(type='TubeDiceLoss'),
    discriminator=dict(type='SequenceDiscriminator'),
    gan_loss=dict(type='DomainGANLoss', kind='vanilla'),
    # lambda_V, which the paper does not give: that of AdaptSegNet.
    adversarial_weight=0.001,
)
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
