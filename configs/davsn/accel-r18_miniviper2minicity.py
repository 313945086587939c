# DA-VSN on MiniDrive: minutes on two cores.
_base_ = [
    '../_base_/methods/davsn_accel-r18.py',
    '../_base_/datasets/miniviper2minicity.py',
    '../_base_/schedules/small_davsn.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing looks at it.
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    {{_base_.flow}},
    dict(type='PackClipInputs'),
]
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
model = dict(source_checkpoint='work_dirs/source_only/accel-r18_miniviper2minicity/iter_800.pth')
