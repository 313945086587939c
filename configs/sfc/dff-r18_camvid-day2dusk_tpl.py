# SFC with temporal pseudo-labels, with deep feature flow.
_base_ = './shared-accel-r18_camvid-day2dusk.py'
model = dict(
    pseudo_weight=0.1,
    student=dict(type='DFF', padding_mode='border'),
    source_checkpoint='work_dirs/source_only/dff-r18_camvid-day2dusk/iter_800.pth',
)
