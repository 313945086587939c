# MiniDrive (tools/make_minidrive.py data/minidrive) in the place of VIPER images and
# Cityscapes-Seq: the same data sets and transforms, other folders and sizes. Unlike in the paper
# both domains are flipped: there is little data.
_base_ = './miniviper2minicity.py'
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 108)),
    dict(type='ClipFlip', prob=0.5),
    # Unlike the papers: without it the small source nets are too weak to adapt (docs/results.md).
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs')
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'), both_ways=True),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs')
]
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs')
]
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs')
]

source_train = dict(clip_length=1, pipeline=source_pipeline)
target_train = dict(pipeline=target_pipeline)
target_train_labelled = dict(clip_length=1, pipeline=target_labelled_pipeline)
train_dataloader = dict(dataset=dict(source=source_train, target=target_train))
val_dataloader = dict(dataset=dict(clip_length=1, pipeline=test_pipeline))
test_dataloader = val_dataloader
