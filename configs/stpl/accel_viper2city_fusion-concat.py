# Concatenation as the fusion operation of STPL (table 4): 52.3 mIoU there.
_base_ = './accel_viper2city.py'
model = dict(fusion=dict(type='ConcatFusion'))
