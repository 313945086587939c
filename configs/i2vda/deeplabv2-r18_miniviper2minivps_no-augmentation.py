# Table 3, row 2, without temporal augmentation: the prediction of I_0 is carried to I_1.
_base_ = './deeplabv2-r18_miniviper2minivps.py'
model = dict(augmentation=False)
