# Source-only on the images of MiniDrive: minutes on two cores.
_base_ = [
    '../_base_/models/deeplabv2-r18.py',
    '../_base_/datasets/minigta2minicity.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
