# Table 3, row 5, without the entropy map E in equation 8.
_base_ = './deeplabv2-r18_miniviper2minivps.py'
model = dict(delta=None)
