# AdaptSegNet, VIPER to Cityscapes-VPS: 41.48 mIoU, 28.28 VPQ in VAT-VST's tables 1 and 2.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/methods/adaptsegnet.py',
    '../_base_/datasets/viper2cityvps.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1), target=dict(clip_length=1)))
model = _base_.method
# Its paper gives no schedule: that of VAT.
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)
]
train_cfg = dict(max_iters=40000)
