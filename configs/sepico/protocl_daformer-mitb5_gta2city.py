# SePiCo (ProtoCL), GTAV to Cityscapes, 19 classes: 68.5 mIoU in the paper.
_base_ = './distcl_daformer-mitb5_gta2city.py'
model = dict(contrastive_loss=dict(type='ProtoCLLoss'), statistics=dict(covariance=None))
