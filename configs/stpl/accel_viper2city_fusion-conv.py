# 1x1 convolution as the fusion operation of STPL (table 4): 51.8 mIoU there.
_base_ = './accel_viper2city.py'
model = dict(fusion=dict(type='ConvFusion'))
