# SePiCo (ProtoCL), GTAV to Cityscapes, 19 classes: 58.8 mIoU in the paper.
_base_ = './distcl_deeplabv2-r101_gta2city.py'
model = dict(contrastive_loss=dict(type='ProtoCLLoss'), statistics=dict(covariance=None))
