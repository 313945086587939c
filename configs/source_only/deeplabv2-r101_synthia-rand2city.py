# DeepLab-v2 trained on SYNTHIA-RAND-CITYSCAPES, scored on Cityscapes: source-only of SePiCo's
# setting, 33.5 mIoU (13 classes: 38.6) in its table 2.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/datasets/synthia_rand2city.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
