# Spatial-only CL: the current frame against its augmented self (table 3).
_base_ = './accel-r18_miniviper2minicity.py'
model = dict(contrast='spatial', fusion=None)
