# DeepLab-v2 frame by frame, trained on VIPER: any mmseg segmentor is a video net this way.
_base_ = './accel_viper2city.py'
model = dict(student=dict(type='PerFrame'))
