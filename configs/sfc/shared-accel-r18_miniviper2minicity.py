# SFC on MiniDrive with the Accel and the source model that the other methods start from, in one
# stage: minutes on two cores.
_base_ = [
    '../_base_/methods/sfc_shared-accel-r18.py',
    '../_base_/datasets/miniviper2minicity.py',
    '../_base_/schedules/small_mix.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(
    source_checkpoint='work_dirs/source_only/accel-r18_miniviper2minicity/iter_800.pth',
    sfm_checkpoint='work_dirs/sfc/sfm_miniviper/iter_600.pth',
)
