# Duplicate CL: the current frame against itself of STPL (table 3): 45.7 mIoU there.
_base_ = './accel_viper2city.py'
model = dict(contrast='duplicate', fusion=None)
