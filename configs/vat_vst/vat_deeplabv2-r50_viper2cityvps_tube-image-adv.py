# Table 3, row (4): tube loss, image discriminator.
_base_ = './vat_deeplabv2-r50_viper2cityvps.py'
model = dict(discriminator=dict(type='ImageDiscriminator'))
