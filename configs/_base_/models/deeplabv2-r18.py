# The small net of accel_deeplabv2-r18.py frame by frame, 19 classes, no auxiliary classifier.
_base_ = './accel_deeplabv2-r18.py'
model = dict(
    student=dict(
        type='PerFrame', segmentor=dict(decode_head=dict(num_classes=19), auxiliary_head=None)
    )
)
