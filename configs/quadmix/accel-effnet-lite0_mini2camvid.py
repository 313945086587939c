# QuadMix.
_base_ = [
    '../_base_/methods/quadmix_effnet-lite0.py',
    '../_base_/datasets/mini2camvid.py',
    '../_base_/default_runtime.py',
]
# Pole, sign, fence, pedestrian, bicyclist.
rare_classes = (2, 6, 7, 9, 10)
train_dataloader = dict(
    dataset=dict(
        source=dict(label_clips=True),
        # The target has the size of the source's crops.
        target=dict(
            clip_length=3,
            pipeline=[
                dict(type='LoadClip'),
                dict(type='ClipResize', scale=(320, 240)),
                {{_base_.flow}},
                dict(type='ClipCrop', crop_size=(192, 256)),
                dict(type='ClipFlip', prob=0.5),
                dict(type='CrossFrameAugment'),
                dict(type='PackClipInputs'),
            ],
        ),
        rare_patches=dict(classes=rare_classes, count=2, size=(192, 256)),
    )
)
model = dict(
    rare_classes=rare_classes,
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/tps/accel-effnet-lite0_mini2camvid/iter_100.pth',
)
