# Accel of TPS's release: backward warping that repeats the border.
_base_ = './accel_deeplabv2-r101.py'
model = dict(student=dict(padding_mode='border'))
