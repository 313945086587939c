# SFC with the paper's values. configs/sfc says what differs in its two stages, and where SFM and
# the FlowNet come from.
_base_ = '../models/accel-sfc_deeplabv2-r101.py'
model = dict(
    type='SFC',
    # All classes of equation 5, as released, those that occur nowhere too.
    sfm=dict(type='SFM', flow_net=dict(type='FlowNetS'), empty_classes='add'),
    # Stage one; 0.001 in stage two.
    flow_weight=0.005,
    softmax_scale=100.0,
    auxiliary_weight=0.1,
    running_statistics='all',
    flow=dict(type='FrozenFlowNet', flow_net=dict(type='FlowNetS'), full_size=False),
)
