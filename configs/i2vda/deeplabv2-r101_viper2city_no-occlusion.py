# Table 3, row 4, without the occlusion O in equation 8.
_base_ = './deeplabv2-r101_viper2city.py'
model = dict(eta=None)
