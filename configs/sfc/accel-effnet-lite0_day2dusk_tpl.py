# SFC with temporal pseudo-labels, as TPS makes them.
_base_ = './accel-effnet-lite0_day2dusk.py'
model = dict(pseudo_weight=1.0)
