# Batch-norm statistics re-estimated on the target, with distortion-aware feature correction.
_base_ = './accel-r18_camvid-day2dusk.py'
model = dict(
    student=dict(type='DistortionAwareVSS', padding_mode='border'),
    source_checkpoint='work_dirs/source_only/distortion-aware-r18_camvid-day2dusk/iter_800.pth',
)
