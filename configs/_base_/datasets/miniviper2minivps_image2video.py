# miniviper2minivps.py with VIPER images and Cityscapes clips, whose 22 neighbouring frames make the
# consistency over time measurable. Unlike in the paper both domains are flipped: there is little
# data. Sizes are (width, height).
target_root = 'data/minidrive/cityscapes_vps'

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 108)),
    dict(type='ClipFlip', prob=0.5),
    # Unlike in the papers: without it the small source nets are too weak to adapt
    # (docs/results_2026.md).
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'), both_ways=True),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CityscapesVPSDataset', data_root=target_root, classes_from='viper')
source_train = dict(
    type='ViperSeqDataset',
    data_root='data/minidrive/viper',
    annotated=None,
    clip_length=1,
    pipeline=source_pipeline,
)
target_train = dict(
    **target, with_labels=False, pipeline=target_pipeline, frame_root=None, frames='all'
)
target_train_labelled = dict(
    **target, pipeline=target_labelled_pipeline, frame_root=None, clip_length=1
)

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
    dataset=dict(**target, split='val', test_mode=True, pipeline=test_pipeline, clip_length=1),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='ClassSubsetIoU', iou_metrics=['mIoU']), dict(type='VPQMetric')]
test_evaluator = val_evaluator
