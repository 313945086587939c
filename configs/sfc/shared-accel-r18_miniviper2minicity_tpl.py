# SFC with temporal pseudo-labels on MiniDrive, as TPS makes them.
_base_ = './shared-accel-r18_miniviper2minicity.py'
model = dict(pseudo_weight=0.1)
