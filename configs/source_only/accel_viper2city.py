# Accel trained on VIPER, scored on Cityscapes-Seq (15 classes): the paper's source-only, 37.1 mIoU.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/schedules/advent_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
