# Element-wise addition as the fusion operation of STPL (table 4): 51.4 mIoU there.
_base_ = './accel_viper2city.py'
model = dict(fusion=dict(type='AddFusion'))
