# sfc_accel-r101.py with the small nets.
_base_ = '../models/accel-sfc_deeplabv2-r18.py'
model = dict(
    type='SFC',
    sfm=dict(type='SFM', flow_net=dict(type='FlowNetS', base_channels=12)),
    flow_weight=0.005,
    softmax_scale=100.0,
    # SFM takes most of the time of an iteration.
    auxiliary_weight=0.0,
    # In 200 iterations statistics of both domains fit neither.
    running_statistics='target',
    flow=dict(
        type='FrozenFlowNet', flow_net=dict(type='FlowNetS', base_channels=12), full_size=False
    ),
)
