# SePiCo (BankCL) on MiniDrive: minutes on two cores.
_base_ = './distcl_accel-r18_miniviper2minicity.py'
model = dict(
    contrastive_loss=dict(type='BankCLLoss'), statistics=dict(covariance=None, bank_size=50)
)
