# The upper bound of SFC's Accel, trained as its source-only model but on the labels of the target:
# stage one trains the two branches, each separately, on labelled single frames.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/datasets/viper2city_own-flow.py',
    '../_base_/schedules/sfc_stage1_80k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainPairDataset',
        source=dict(_base_.target_train_labelled, clip_length=1),
    )
)
model = dict(student=dict(stage=1))
