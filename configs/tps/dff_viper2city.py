# TPS with deep feature flow.
_base_ = [
    '../_base_/models/dff_deeplabv2-r101.py',
    '../_base_/methods/tps.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
# t-2, t-1, t: the labelling pair and the learning pair share the middle frame.
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
# Weight and rate of VIPER; SYNTHIA has 1 and 2.5e-4.
model = dict(_base_.method, pseudo_weight=0.1)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
