# DACS on MiniDrive: minutes on two cores.
_base_ = [
    '../_base_/methods/dacs_accel-r18.py',
    '../_base_/datasets/miniviper2minicity_mix.py',
    '../_base_/schedules/small_mix.py',
    '../_base_/default_runtime.py',
]
model = dict(source_checkpoint='work_dirs/source_only/accel-r18_miniviper2minicity/iter_800.pth')
