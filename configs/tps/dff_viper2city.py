# TPS with deep feature flow.
_base_ = './accel_viper2city.py'
model = dict(
    student=dict(
        type='DFF',
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth')))
