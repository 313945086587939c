# AdvEnt, CamVid-Sunny to CamVid-Foggy: 53.38 mIoU, 39.84 VPQ in VAT-VST's tables 8 and 9.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/methods/advent.py',
    '../_base_/datasets/camvid_sunny2foggy.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1), target=dict(clip_length=1)))
model = dict(_base_.method, student=dict(segmentor=dict(decode_head=dict(num_classes=11))))
# Its paper gives no schedule: that of VAT.
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)
]
train_cfg = dict(max_iters=40000)
