# DA-VSN with deep feature flow.
_base_ = ['./accel_synthia2city.py', '../_base_/sfc_segmentor_synthia.py']
model = dict(
    student=dict(
        _delete_=True,
        type='DFF',
        segmentor=_base_.sfc_segmentor,
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth'),
        padding_mode='border',
    )
)
