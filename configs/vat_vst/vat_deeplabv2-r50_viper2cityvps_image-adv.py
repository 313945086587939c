# Table 3, row (2): image discriminator, no dice loss.
_base_ = './vat_deeplabv2-r50_viper2cityvps.py'
model = dict(tube_loss=None, discriminator=dict(type='ImageDiscriminator'))
