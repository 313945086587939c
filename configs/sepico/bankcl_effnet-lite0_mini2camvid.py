# SePiCo (BankCL).
_base_ = './distcl_effnet-lite0_mini2camvid.py'
model = dict(
    contrastive_loss=dict(type='BankCLLoss'), statistics=dict(covariance=None, bank_size=50)
)
