# TPS on MiniDrive: minutes on two cores.
_base_ = [
    '../_base_/methods/tps_accel-r18.py',
    '../_base_/datasets/miniviper2minicity.py',
    '../_base_/schedules/small_mix.py',
    '../_base_/default_runtime.py',
]
# MiniDrive has snippets of three frames: both pairs share the middle one.
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(source_checkpoint='work_dirs/source_only/accel-r18_miniviper2minicity/iter_800.pth')
