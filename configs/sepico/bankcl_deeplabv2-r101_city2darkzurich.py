# SePiCo (BankCL), Cityscapes to Dark Zurich, 19 classes: 44.1 mIoU in the paper.
_base_ = './distcl_deeplabv2-r101_city2darkzurich.py'
model = dict(
    contrastive_loss=dict(type='BankCLLoss'), statistics=dict(covariance=None, bank_size=200)
)
