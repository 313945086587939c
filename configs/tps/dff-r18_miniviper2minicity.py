# TPS with deep feature flow: minutes on two cores.
_base_ = './accel-r18_miniviper2minicity.py'
model = dict(
    student=dict(type='DFF'),
    source_checkpoint='work_dirs/source_only/dff-r18_miniviper2minicity/iter_800.pth',
)
