# Source-only on CamVid's day sequences with distortion-aware feature correction.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
model = dict(
    student=dict(
        type='DistortionAwareVSS',
        padding_mode='border',
        segmentor=dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11)),
    )
)
