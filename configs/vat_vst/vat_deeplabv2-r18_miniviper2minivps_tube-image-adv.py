# Table 3, row (4): tube loss, image discriminator.
_base_ = './vat_deeplabv2-r18_miniviper2minivps.py'
model = dict(discriminator=dict(type='ImageDiscriminator'))
