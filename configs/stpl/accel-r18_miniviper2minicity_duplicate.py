# Duplicate CL: the current frame against itself (table 3).
_base_ = './accel-r18_miniviper2minicity.py'
model = dict(contrast='duplicate', fusion=None)
