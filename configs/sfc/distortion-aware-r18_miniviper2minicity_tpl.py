# SFC with temporal pseudo-labels, with distortion-aware feature correction.
_base_ = './distortion-aware-r18_miniviper2minicity.py'
model = dict(pseudo_weight=0.1)
