# Source-only on MiniDrive with distortion-aware feature correction.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minicity.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
model = dict(student=dict(type='DistortionAwareVSS', padding_mode='border'))
