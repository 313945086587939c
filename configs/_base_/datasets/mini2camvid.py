# The benchmark "mini2camvid": simulation to reality. Source: MiniDrive at 4:3 in CamVid's 11
# classes (tools/make_minidrive.py data/minidrive); target: CamVid by day, without labels; scored on
# another of its sequences. The pipelines are those of mini.py.
source_root = 'data/minidrive/camvid'
target_root = 'data/camvid'
# (width, height)
scale = (320, 240)
flow = dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'), both_ways=True)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=scale, ratio_range=(1.0, 1.75), keep_ratio=True),
    flow,
    dict(type='ClipCrop', crop_size=(192, 256), cat_max_ratio=0.75),
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
    dict(type='ClipCrop', crop_size=(192, 256)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=scale, ratio_range=(1.0, 1.75), keep_ratio=True),
    flow,
    dict(type='ClipCrop', crop_size=(192, 256), cat_max_ratio=0.75),
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

target = dict(type='CamVidDataset', data_root=target_root, sequences=['0016E5', '0006R0'])
scored = dict(type='CamVidDataset', data_root=target_root, sequences=['Seq05VD'])
source_train = dict(type='CamVidDataset', data_root=source_root, pipeline=source_pipeline)
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
    dataset=dict(**scored, test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
