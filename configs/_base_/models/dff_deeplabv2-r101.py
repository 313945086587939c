# Deep feature flow with DeepLab-v2 ResNet-101 and a flow branch of its own (SFC, table 4).
_base_ = './accel_deeplabv2-r101.py'
model = dict(
    student=dict(
        type='DFF',
        # See accel-sfc_deeplabv2-r101.py.
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth'),
        padding_mode='border'))
