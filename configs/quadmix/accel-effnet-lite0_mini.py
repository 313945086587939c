# QuadMix.
_base_ = [
    '../_base_/methods/quadmix_effnet-lite0.py',
    '../_base_/datasets/mini.py',
    '../_base_/default_runtime.py',
]
# Fence, light, sign, terrain, motorcycle, bicycle, as for VIPER.
rare_classes = (3, 4, 5, 7, 13, 14)
train_dataloader = dict(
    dataset=dict(
        source=dict(label_clips=True),
        # The target has the size of the source's crops.
        target=dict(
            clip_length=3,
            pipeline=[
                dict(type='LoadClip'),
                dict(type='ClipResize', scale=(256, 128)),
                {{_base_.flow}},
                dict(type='ClipCrop', crop_size=(128, 256)),
                dict(type='ClipFlip', prob=0.5),
                dict(type='CrossFrameAugment'),
                dict(type='PackClipInputs'),
            ],
        ),
        rare_patches=dict(classes=rare_classes, count=2, size=(128, 256)),
    )
)
model = dict(
    rare_classes=rare_classes,
    source_checkpoint='work_dirs/tps/accel-effnet-lite0_mini/iter_100.pth',
)
