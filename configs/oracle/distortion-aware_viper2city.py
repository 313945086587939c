# The upper bound: the same network trained on the labels of the target.
_base_ = [
    '../_base_/models/distortion-aware_deeplabv2-r101.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/schedules/sfc_stage1_80k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
