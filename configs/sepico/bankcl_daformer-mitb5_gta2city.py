# SePiCo (BankCL), GTAV to Cityscapes, 19 classes: 68.7 mIoU in the paper.
_base_ = './distcl_daformer-mitb5_gta2city.py'
model = dict(
    contrastive_loss=dict(type='BankCLLoss'), statistics=dict(covariance=None, bank_size=200)
)
