# 1x1 convolution as the fusion operation (table 4).
_base_ = './accel-r18_miniviper2minicity.py'
model = dict(fusion=dict(type='ConvFusion'))
