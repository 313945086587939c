# SePiCo (ProtoCL) on MiniDrive: minutes on two cores.
_base_ = './distcl_accel-r18_miniviper2minicity.py'
model = dict(contrastive_loss=dict(type='ProtoCLLoss'), statistics=dict(covariance=None))
