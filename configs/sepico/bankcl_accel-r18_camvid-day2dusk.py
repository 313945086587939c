# SePiCo (BankCL) on CamVid, day to dusk: minutes on two cores.
_base_ = './distcl_accel-r18_camvid-day2dusk.py'
model = dict(
    contrastive_loss=dict(type='BankCLLoss'), statistics=dict(covariance=None, bank_size=50)
)
