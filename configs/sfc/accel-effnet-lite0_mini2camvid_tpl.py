# SFC with temporal pseudo-labels, as TPS makes them.
_base_ = './accel-effnet-lite0_mini2camvid.py'
model = dict(pseudo_weight=1.0)
