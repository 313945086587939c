# TPS, source-free, with distortion-aware feature correction: minutes on two cores.
_base_ = './accel-r18_camvid-day2dusk_source-free.py'
model = dict(
    student=dict(type='DistortionAwareVSS'),
    source_checkpoint='work_dirs/source_only/distortion-aware-r18_camvid-day2dusk/iter_800.pth',
)
