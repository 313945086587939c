# SePiCo (BankCL), Cityscapes to Dark Zurich, 19 classes: 53.3 mIoU in the paper.
_base_ = './distcl_daformer-mitb5_city2darkzurich.py'
model = dict(
    contrastive_loss=dict(type='BankCLLoss'), statistics=dict(covariance=None, bank_size=200)
)
