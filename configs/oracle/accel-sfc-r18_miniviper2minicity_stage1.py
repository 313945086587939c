# The upper bound of the small Accel of SFC: stage one on the labels of the target.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minicity_own-flow.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainPairDataset',
        source=dict(_base_.target_train_labelled, clip_length=1),
    )
)
model = dict(
    student=dict(
        stage=1,
        # The branch is not used until stage two.
        flow_net=dict(checkpoint='work_dirs/sfc/flownets_miniviper/iter_1500.pth'),
    )
)
