# A small net for deep feature flow that trains from scratch in minutes on two cores.
_base_ = './accel_deeplabv2-r18.py'
model = dict(student=dict(type='DFF', padding_mode='border'))
