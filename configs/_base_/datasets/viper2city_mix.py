# VIPER -> Cityscapes-Seq for methods that mix source and target clips: 640x640 crops, for which the
# target is a little larger than elsewhere. The target is cropped on the device, where its
# pseudo-labels are (`model.target_crop`). Flips, and a resize that is mmcv's: as in the releases of
# these methods, which are built on mmseg.
_base_ = './viper2city.py'
# For methods that sample rare classes: train_dataloader.dataset.rare_class_sampling. The file is
# written by tools/class_statistics.py.
rare_class_sampling = dict(
    statistics='data/viper/class_statistics.json', temperature=0.01, min_pixels=3000
)
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        source=dict(
            pipeline=[
                dict(type='LoadClip'),
                dict(type='LoadClipAnnotations'),
                dict(type='ClipResize', scale=(1280, 720)),
                {{_base_.flow}},
                dict(
                    type='ClipCrop',
                    crop_size=(640, 640),
                    cat_max_ratio=0.75,
                    rare_class_min_pixels=1500,
                ),
                dict(type='ClipFlip', prob=0.5),
                dict(type='PackClipInputs'),
            ]
        ),
        target=dict(
            pipeline=[
                dict(type='LoadClip'),
                dict(type='ClipResize', scale=(1280, 640)),
                {{_base_.flow}},
                dict(type='ClipFlip', prob=0.5),
                dict(type='PackClipInputs'),
            ]
        ),
    ),
)
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadClip'),
            dict(type='ClipResize', scale=(1280, 640)),
            {{_base_.flow}},
            dict(type='LoadClipAnnotations'),
            dict(type='PackClipInputs'),
        ]
    )
)
test_dataloader = val_dataloader
