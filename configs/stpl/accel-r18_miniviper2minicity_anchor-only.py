# The recipe from scratch without the contrast: only its addition to the paper.
_base_ = './accel-r18_miniviper2minicity.py'
model = dict(loss=dict(loss_weight=0.0))
