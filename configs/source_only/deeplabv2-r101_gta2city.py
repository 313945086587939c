# DeepLab-v2 trained on GTAV, scored on Cityscapes: source-only of SePiCo's setting,
# 38.6 mIoU in its table 1.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/datasets/gta2city.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
