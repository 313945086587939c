# SFC with temporal pseudo-labels and deep feature flow, in one stage.
_base_ = './dff_viper2city.py'
model = dict(pseudo_weight=0.1)
