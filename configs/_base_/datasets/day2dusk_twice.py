# The benchmark "day2dusk" at twice its resolution, for the details of HRDA.
data_root = 'data/camvid'
# (width, height)
scale = (640, 480)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=scale, ratio_range=(1.0, 1.75), keep_ratio=True),
    dict(type='ClipCrop', crop_size=(384, 512), cat_max_ratio=0.75),
    dict(type='ClipFlip', prob=0.5),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
# The target has the size of the crops of the source.
mixed_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=scale),
    dict(type='ClipCrop', crop_size=(384, 512)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=scale),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CamVidDataset', data_root=data_root, sequences=['0001TP'], half='first')
scored = dict(type='CamVidDataset', data_root=data_root, sequences=['0001TP'], half='second')
source_train = dict(
    type='CamVidDataset',
    data_root=data_root,
    sequences=['0006R0', '0016E5', 'Seq05VD'],
    clip_length=1,
    pipeline=source_pipeline,
)
target_train = dict(**target, with_labels=False, clip_length=1, pipeline=mixed_pipeline)

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
    dataset=dict(**scored, clip_length=1, test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
