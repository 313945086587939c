# The upper bound of the small Accel of SFC: stage one on the labels of the target.
_base_ = '../sfc/accel-r18_miniviper2minicity_source-stage1.py'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainPairDataset',
        source=dict(_base_.target_train_labelled, clip_length=1),
    )
)
