# Stage two of SFC: as that of its source model, but 5e-5 in the steps 0 to 999; 160k iterations.
_base_ = './sfc_stage2_80k.py'
param_scheduler = [dict(type='ConstantLR', factor=0.1, begin=0, end=1001, by_epoch=False)]
train_cfg = dict(max_iters=160000)
