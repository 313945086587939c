# CamVid, day to dusk, for methods that mix source and target clips: no augmented view.
_base_ = './camvid_day2dusk.py'
train_dataloader = dict(
    dataset=dict(
        target=dict(
            pipeline=[
                dict(type='LoadClip'),
                dict(type='ClipResize', scale=(240, 180)),
                {{_base_.flow}},
                dict(type='ClipFlip', prob=0.5),
                dict(type='PackClipInputs'),
            ]
        )
    )
)
