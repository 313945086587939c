# MiniDrive in the layout of SHIFT (tools/make_minidrive.py data/minidrive --only shift --shift 8):
# from clear days to drives on which day turns to night or fog rises, and back; 14 classes, scored
# on all frames by mIoU and, for how steady the predictions are, by mVC. Single frames. Sizes are
# (width, height).
root = 'data/minidrive/shift'

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 120)),
    dict(type='ClipFlip', prob=0.5),
    # As in the other small sources (miniviper2minivps.py).
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 120)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 120)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='SHIFTDataset', data_root=root, shift='continuous/1x', clip_length=1)
source_train = dict(
    type='SHIFTDataset',
    data_root=root,
    shift='discrete',
    weathers=['clear'],
    times=['daytime'],
    clip_length=1,
    pipeline=source_pipeline,
)
target_train = dict(**target, with_labels=False, pipeline=target_pipeline)

train_dataloader = dict(
    batch_size=4,
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
val_evaluator = [
    dict(type='ClassSubsetIoU', iou_metrics=['mIoU']),
    dict(type='VideoConsistencyMetric'),
]
test_evaluator = val_evaluator
