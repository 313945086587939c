# The benchmark "mini": MiniDrive, rendered look to camera look, VIPER's 15 classes. One set of
# pipelines for all methods: a clip comes with its flow both ways and with an augmented view, and a
# method takes what it needs. Data: tools/make_minidrive.py data/minidrive
source_root = 'data/minidrive/viper'
target_root = 'data/minidrive/cityscapes'
# (width, height)
scale = (256, 128)
source_scale = (256, 144)
flow = dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'), both_ways=True)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=source_scale, ratio_range=(1.0, 1.75), keep_ratio=True),
    flow,
    dict(type='ClipCrop', crop_size=(128, 256), cat_max_ratio=0.75),
    dict(type='ClipFlip', prob=0.5),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
# The augmented view uses the labels of the original clip: what is geometric comes before it.
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=scale),
    flow,
    dict(type='ClipFlip', prob=0.5),
    dict(type='CrossFrameAugment'),
    dict(type='PackClipInputs'),
]
# For methods that mix source and target: the target has the size of the source's crops.
mixed_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=scale),
    flow,
    dict(type='ClipCrop', crop_size=(128, 256)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=scale, ratio_range=(1.0, 1.75), keep_ratio=True),
    flow,
    dict(type='ClipCrop', crop_size=(128, 256), cat_max_ratio=0.75),
    dict(type='ClipFlip', prob=0.5),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
# For training on pseudo-labels.
pseudo_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=scale),
    flow,
    dict(type='ClipFlip', prob=0.5),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
# To generate them.
prediction_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=scale),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=scale),
    flow,
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CityscapesSeqDataset', data_root=target_root, classes_from='viper')
source_train = dict(
    type='ViperSeqDataset', data_root=source_root, annotated=None, pipeline=source_pipeline
)
target_train = dict(**target, with_labels=False, pipeline=target_pipeline)
target_train_labelled = dict(**target, clip_length=1, pipeline=target_labelled_pipeline)

train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DrawSampler', shuffle=True),
    dataset=dict(type='DomainPairDataset', source=source_train, target=target_train),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**target, split='val', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
