# SePiCo (ProtoCL), Cityscapes to Dark Zurich, 19 classes: 42.6 mIoU in the paper.
_base_ = './distcl_deeplabv2-r101_city2darkzurich.py'
model = dict(contrastive_loss=dict(type='ProtoCLLoss'), statistics=dict(covariance=None))
