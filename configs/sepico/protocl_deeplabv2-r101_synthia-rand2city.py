# SePiCo (ProtoCL), SYNTHIA to Cityscapes, 16 classes: 56.8 mIoU in the paper.
_base_ = './distcl_deeplabv2-r101_synthia-rand2city.py'
model = dict(contrastive_loss=dict(type='ProtoCLLoss'), statistics=dict(covariance=None))
