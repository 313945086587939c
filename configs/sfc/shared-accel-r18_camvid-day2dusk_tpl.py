# SFC with temporal pseudo-labels on CamVid, as TPS makes them.
_base_ = './shared-accel-r18_camvid-day2dusk.py'
model = dict(pseudo_weight=0.1)
