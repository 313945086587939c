# DA-VSN with distortion-aware feature correction.
_base_ = './accel_synthia2city.py'
model = dict(
    student=dict(
        _delete_=True,
        type='DistortionAwareVSS',
        segmentor={{_base_.model.student.segmentor}},
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth'),
        padding_mode='border'))
