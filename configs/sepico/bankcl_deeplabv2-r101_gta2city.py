# SePiCo (BankCL), GTAV to Cityscapes, 19 classes: 59.8 mIoU in the paper.
_base_ = './distcl_deeplabv2-r101_gta2city.py'
model = dict(
    contrastive_loss=dict(type='BankCLLoss'), statistics=dict(covariance=None, bank_size=200)
)
