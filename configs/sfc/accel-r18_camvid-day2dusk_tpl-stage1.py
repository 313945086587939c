# SFC with temporal pseudo-labels on CamVid: stage one.
_base_ = './accel-r18_camvid-day2dusk_stage1.py'
model = dict(pseudo_weight=0.1)
