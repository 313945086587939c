# The recipe from scratch without the contrast: only its addition to the paper.
_base_ = './accel-r18_camvid-day2dusk.py'
model = dict(loss=dict(loss_weight=0.0))
