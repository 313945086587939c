# Stage two of SFC's Accel: one rate for classifiers, flow branch and fusion.
_base_ = './sfc_stage1_80k.py'
optim_wrapper = dict(optimizer=dict(lr=5e-4), paramwise_cfg=None)
