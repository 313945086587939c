# SePiCo (BankCL), SYNTHIA to Cityscapes, 16 classes.
_base_ = './distcl_daformer-mitb5_synthia-rand2city.py'
model = dict(
    contrastive_loss=dict(type='BankCLLoss'), statistics=dict(covariance=None, bank_size=200)
)
