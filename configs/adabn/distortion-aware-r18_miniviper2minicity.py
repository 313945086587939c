# Batch-norm statistics re-estimated on the target, with distortion-aware feature correction.
_base_ = './accel-r18_miniviper2minicity.py'
model = dict(
    student=dict(type='DistortionAwareVSS', padding_mode='border'),
    source_checkpoint='work_dirs/source_only/distortion-aware-r18_miniviper2minicity/iter_800.pth',
)
