# Source-only on VIPER with deep feature flow: 37.0 mIoU in table 4 of SFC.
_base_ = [
    '../_base_/models/dff_deeplabv2-r101.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/schedules/sfc_stage1_80k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
