# TPS with deep feature flow.
_base_ = ['./accel_synthia2city.py', '../_base_/sfc_segmentor_synthia.py']
model = dict(
    student=dict(
        type='DFF',
        segmentor=dict(_delete_=True, **_base_.sfc_segmentor),
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth'),
    )
)
