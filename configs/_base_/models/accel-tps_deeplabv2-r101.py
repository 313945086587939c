# Accel of TPS's release, source-only included: backward warping that repeats the border. STPL,
# which starts from that model, and VAT-VST have no release and the same network.
_base_ = './accel_deeplabv2-r101.py'
model = dict(student=dict(padding_mode='border'))
