# MiniDrive (tools/make_minidrive.py data/minidrive) instead of VIPER and Cityscapes-Seq: the
# same data sets as in viper2city.py, other folders and sizes. All frames are taken, the source is
# flipped, and the resize is mmcv's. Sizes are (width, height).
source_root = 'data/minidrive/viper'
target_root = 'data/minidrive/cityscapes'
# Flow current -> previous. DIS needs no weights; other providers: docs/datasets.md, "Flow".
flow = dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'))

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 108)),
    flow,
    dict(type='ClipFlip', prob=0.5),
    # Unlike in the papers: without it the small source nets are too weak to adapt
    # (docs/results_2026.md).
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
# Nothing geometric: the augmented view uses the labels of the original clip.
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    flow,
    dict(type='CrossFrameAugment'),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 96)),
    flow,
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    flow,
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CityscapesSeqDataset', data_root=target_root, classes_from='viper')
source_train = dict(
    type='ViperSeqDataset', data_root=source_root, annotated=None, pipeline=source_pipeline
)
target_train = dict(**target, with_labels=False, pipeline=target_pipeline)
target_train_labelled = dict(**target, pipeline=target_labelled_pipeline)

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
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
