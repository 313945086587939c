# sfc_accel-r18.py with the small Accel of the other methods, whose two branches are one and whose
# flow comes with the clips, and with that flow in the place of a FlowNet's. It starts from the
# source model that all methods share, and has that net's grid (align_corners=True, floor pooling)
# and its trained batch norm.
_base_ = '../models/accel_deeplabv2-r18.py'
model = dict(
    type='SFC',
    sfm=dict(type='SFM', flow_net=dict(type='FlowNetS', base_channels=12)),
    # The paper's 0.005 and 100 move nothing in 200 iterations (docs/results.md).
    flow_weight=0.1,
    softmax_scale=10.0,
    # SFM takes most of the time of an iteration.
    auxiliary_weight=0.0,
    running_statistics='target',
)
