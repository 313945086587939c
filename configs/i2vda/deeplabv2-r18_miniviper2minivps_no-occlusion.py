# Table 3, row 4, without the occlusion O in equation 8.
_base_ = './deeplabv2-r18_miniviper2minivps.py'
model = dict(eta=None)
