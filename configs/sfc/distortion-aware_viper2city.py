# SFC with distortion-aware feature correction, in one stage. 49.0 mIoU in table 4.
_base_ = './dff_viper2city.py'
model = dict(student=dict(type='DistortionAwareVSS'))
