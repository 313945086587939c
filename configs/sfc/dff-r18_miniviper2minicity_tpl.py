# SFC with temporal pseudo-labels, with deep feature flow.
_base_ = './dff-r18_miniviper2minicity.py'
model = dict(pseudo_weight=0.1)
