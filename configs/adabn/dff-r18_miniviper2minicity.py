# Batch-norm statistics re-estimated on the target, with deep feature flow.
_base_ = './accel-r18_miniviper2minicity.py'
model = dict(
    student=dict(type='DFF', padding_mode='border'),
    source_checkpoint='work_dirs/source_only/dff-r18_miniviper2minicity/iter_800.pth',
)
