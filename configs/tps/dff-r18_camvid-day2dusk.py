# TPS with deep feature flow: minutes on two cores.
_base_ = './accel-r18_camvid-day2dusk.py'
model = dict(
    student=dict(type='DFF'),
    source_checkpoint='work_dirs/source_only/dff-r18_camvid-day2dusk/iter_800.pth',
)
