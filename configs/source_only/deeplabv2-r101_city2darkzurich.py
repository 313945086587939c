# DeepLab-v2 trained on Cityscapes, scored on Dark Zurich by night: source-only of SePiCo's setting,
# 28.8 mIoU in its table 3.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/datasets/city2darkzurich.py',
    '../_base_/schedules/sepico_60k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
