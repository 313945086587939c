# Temporal-only CL: the current frame against the previous one (table 3).
_base_ = './accel-r18_miniviper2minicity.py'
model = dict(contrast='temporal', fusion=None)
