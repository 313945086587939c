# Naive T+S CL: the sum of the temporal and the spatial contrast of STPL (table 3): 51.4 mIoU there.
_base_ = './accel_viper2city.py'
model = dict(contrast='spatial+temporal', fusion=None)
