# FDA, VIPER to Cityscapes-VPS: 46.13 mIoU, 29.70 VPQ in VAT-VST's tables 1 and 2, which do not say
# which of its networks or rounds that is; here one network, without pseudo-labels.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/methods/fda.py',
    '../_base_/datasets/viper2cityvps.py',
    '../_base_/default_runtime.py',
]
# Random crops of the source of the target's size.
source_pipeline = [
    *_base_.source_pipeline[:-1],
    dict(type='ClipCrop', crop_size=(512, 1024)),
    dict(type='PackClipInputs'),
]
train_dataloader = dict(
    dataset=dict(source=dict(clip_length=1, pipeline=source_pipeline), target=dict(clip_length=1))
)
model = _base_.method
# The paper of these tables gives no schedule: that of VAT.
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)
]
train_cfg = dict(max_iters=40000)
