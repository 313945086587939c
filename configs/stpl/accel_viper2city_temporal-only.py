# Temporal-only CL: the current frame against the previous one of STPL (table 3): 47.4 mIoU there.
_base_ = './accel_viper2city.py'
model = dict(contrast='temporal', fusion=None)
