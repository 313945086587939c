# Spatial-only CL: the current frame against its augmented self of STPL (table 3): 51.1 mIoU there.
_base_ = './accel_viper2city.py'
model = dict(contrast='spatial', fusion=None)
