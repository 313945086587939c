# SFC with temporal pseudo-labels, with deep feature flow.
_base_ = './dff-r18_camvid-day2dusk.py'
model = dict(pseudo_weight=0.1)
