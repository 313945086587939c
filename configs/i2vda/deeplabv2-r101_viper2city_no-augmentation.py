# Table 3, row 2, without temporal augmentation: the prediction of I_0 is carried to I_1.
_base_ = './deeplabv2-r101_viper2city.py'
model = dict(augmentation=False)
