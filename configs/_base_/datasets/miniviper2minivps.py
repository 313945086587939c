# MiniDrive (tools/make_minidrive.py data/minidrive) in the place of VIPER and Cityscapes-VPS: the
# same data sets and transforms, other folders and sizes.
_base_ = './viper2cityvps.py'
target_root = 'data/minidrive/cityscapes_vps'

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 108)),
    dict(type='ClipFlip', prob=0.5),
    # Unlike the papers: without it the small source nets are too weak to adapt (docs/results.md).
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
pseudo_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'), both_ways=True),
    dict(type='ClipFlip', prob=0.5),
    # Unlike the paper, as in the source training.
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
prediction_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='PackClipInputs'),
]
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

source_train = dict(data_root='data/minidrive/viper', pipeline=source_pipeline)
target_train = dict(data_root=target_root, frame_root=None, pipeline=target_pipeline)
target_train_labelled = dict(
    data_root=target_root, frame_root=None, pipeline=target_labelled_pipeline
)
train_dataloader = dict(
    batch_size=4, num_workers=2, dataset=dict(source=source_train, target=target_train)
)
val_dataloader = dict(num_workers=2, dataset=dict(data_root=target_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
