# SePiCo (ProtoCL).
_base_ = './distcl_effnet-lite0_mini2camvid.py'
model = dict(contrastive_loss=dict(type='ProtoCLLoss'), statistics=dict(covariance=None))
