# SePiCo (ProtoCL), Cityscapes to Dark Zurich, 19 classes: 52.7 mIoU in the paper.
_base_ = './distcl_daformer-mitb5_city2darkzurich.py'
model = dict(contrastive_loss=dict(type='ProtoCLLoss'), statistics=dict(covariance=None))
