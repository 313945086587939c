# DeepLab-v2 ResNet-101 frame by frame.
_base_ = './accel_deeplabv2-r101.py'
model = dict(student=dict(type='PerFrame'))
