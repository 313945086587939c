# The upper bound of SFC's Accel, trained as its source-only model but on the labels of the target:
# stage one trains the two branches, each by itself, on labelled single frames.
_base_ = '../sfc/accel_viper2city_source-stage1.py'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainPairDataset',
        source=dict(_base_.target_train_labelled, clip_length=1),
    )
)
