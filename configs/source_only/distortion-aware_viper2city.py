# Source-only on VIPER with distortion-aware feature correction: 38.7 mIoU in table 4 of SFC.
_base_ = [
    '../_base_/models/distortion-aware_deeplabv2-r101.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/schedules/sfc_stage1_80k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
