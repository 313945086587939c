# SFC with temporal pseudo-labels on MiniDrive: stage one.
_base_ = './accel-r18_miniviper2minicity_stage1.py'
model = dict(pseudo_weight=0.1)
