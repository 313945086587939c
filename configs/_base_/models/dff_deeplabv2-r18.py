# A small net for deep feature flow that trains from scratch in minutes on two cores.
_base_ = './accel_deeplabv2-r18.py'
model = dict(
    student=dict(
        type='DFF',
        flow_net=dict(type='FlowNetS', base_channels=12),
        padding_mode='border'))
