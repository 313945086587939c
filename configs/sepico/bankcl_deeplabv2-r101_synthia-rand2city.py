# SePiCo (BankCL), SYNTHIA to Cityscapes, 16 classes: 57.4 mIoU in the paper.
_base_ = './distcl_deeplabv2-r101_synthia-rand2city.py'
model = dict(
    contrastive_loss=dict(type='BankCLLoss'), statistics=dict(covariance=None, bank_size=200)
)
