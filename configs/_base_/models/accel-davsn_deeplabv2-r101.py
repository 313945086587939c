# Accel of DA-VSN's release: scores are carried by nearest forward splatting.
_base_ = './accel_deeplabv2-r101.py'
model = dict(student=dict(propagation='splat'))
