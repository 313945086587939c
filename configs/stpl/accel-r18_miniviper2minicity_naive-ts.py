# Naive T+S CL: the sum of the temporal and the spatial contrast (table 3).
_base_ = './accel-r18_miniviper2minicity.py'
model = dict(contrast='spatial+temporal', fusion=None)
