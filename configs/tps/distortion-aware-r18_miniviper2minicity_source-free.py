# TPS, source-free, with distortion-aware feature correction: minutes on two cores.
_base_ = './accel-r18_miniviper2minicity_source-free.py'
model = dict(
    student=dict(type='DistortionAwareVSS'),
    source_checkpoint='work_dirs/source_only/distortion-aware-r18_miniviper2minicity/iter_800.pth',
)
