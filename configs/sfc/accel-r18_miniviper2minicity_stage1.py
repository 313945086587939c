# SFC on MiniDrive: stage one trains the two branches of Accel, each by itself, from the source
# model.
_base_ = [
    '../_base_/methods/sfc_accel-r18.py',
    '../_base_/datasets/miniviper2minicity_own-flow.py',
    '../_base_/schedules/small_mix.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1)))
model = dict(
    source_checkpoint='work_dirs/sfc/accel-r18_miniviper2minicity_source-stage2/iter_800.pth',
    sfm_checkpoint='work_dirs/sfc/sfm_miniviper/iter_600.pth',
    flow=dict(checkpoint='work_dirs/sfc/flownets_miniviper/iter_1500.pth'),
    student=dict(stage=1),
)
