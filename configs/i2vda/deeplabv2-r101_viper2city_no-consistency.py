# Table 3, row 3, without temporal-augmented consistency: synthesised frames for the
# discriminator alone.
_base_ = './deeplabv2-r101_viper2city.py'
model = dict(consistency_weight=0.0)
