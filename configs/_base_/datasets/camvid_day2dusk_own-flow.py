# camvid_day2dusk.py without flow: for nets with a flow branch and methods with a flow network. Its
# values are explained there.
data_root = 'data/camvid'
day = ['0006R0', '0016E5', 'Seq05VD']
dusk = ['0001TP']
# Of the oracle alone.
flow = dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'))

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(240, 180)),
    dict(type='ClipFlip', prob=0.5),
    # Unlike in the papers: without it the small source nets are too weak to adapt
    # (docs/results_2026.md).
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
# Nothing geometric: the augmented view uses the labels of the original clip.
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(240, 180)),
    dict(type='CrossFrameAugment'),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(240, 180)),
    flow,
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(240, 180)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CamVidDataset', data_root=data_root, sequences=dusk)
source_train = dict(
    type='CamVidDataset', data_root=data_root, sequences=day, pipeline=source_pipeline
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
    dataset=dict(**target, test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
