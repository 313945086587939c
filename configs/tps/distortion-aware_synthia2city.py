# TPS with distortion-aware feature correction.
_base_ = './accel_synthia2city.py'
model = dict(
    student=dict(
        type='DistortionAwareVSS',
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth')))
