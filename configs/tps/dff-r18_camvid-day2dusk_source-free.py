# TPS, source-free, with deep feature flow: minutes on two cores.
_base_ = './accel-r18_camvid-day2dusk.py'
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None))
# At 3e-4 predictions collapse to one class (docs/results_2026.md).
optim_wrapper = dict(optimizer=dict(lr=1e-5))
model = dict(
    student=dict(type='DFF'),
    source_checkpoint='work_dirs/source_only/dff-r18_camvid-day2dusk/iter_800.pth',
)
