# SePiCo (ProtoCL).
_base_ = './distcl_effnet-lite0_day2dusk.py'
model = dict(contrastive_loss=dict(type='ProtoCLLoss'), statistics=dict(covariance=None))
