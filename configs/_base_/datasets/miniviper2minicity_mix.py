# MiniDrive for methods that mix source and target clips: both of one size, no augmented view.
_base_ = './miniviper2minicity.py'
train_dataloader = dict(
    dataset=dict(
        source=dict(
            pipeline=[
                dict(type='LoadClip'),
                dict(type='LoadClipAnnotations'),
                dict(type='ClipResize', scale=(192, 108)),
                {{_base_.flow}},
                dict(type='ClipCrop', crop_size=(96, 192)),
                dict(type='ClipFlip', prob=0.5),
                dict(type='ClipPhotoMetricDistortion'),
                dict(type='PackClipInputs'),
            ]
        ),
        target=dict(
            pipeline=[
                dict(type='LoadClip'),
                dict(type='ClipResize', scale=(192, 96)),
                {{_base_.flow}},
                dict(type='ClipFlip', prob=0.5),
                dict(type='PackClipInputs'),
            ]
        ),
    )
)
