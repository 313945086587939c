# SFC with distortion-aware feature correction, in one stage.
_base_ = './dff_synthia2city.py'
model = dict(student=dict(type='DistortionAwareVSS'))
