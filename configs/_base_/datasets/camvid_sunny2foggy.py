# CamVid-Sunny -> CamVid-Foggy of VAT-VST (tables 8, 9 and 12): the split of camvid_day2dusk.py, at
# 480x360 (the paper gives no size), without colour augmentation, for nets that predict frame by
# frame.
data_root = 'data/camvid'
day = ['0006R0', '0016E5', 'Seq05VD']
dusk = ['0001TP']
# (width, height)
scale = (480, 360)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=scale),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=scale),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=scale),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For training on pseudo-labels, with flow between the two frames of a clip.
pseudo_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=scale),
    dict(
        type='LoadFlow',
        provider=dict(type='DISFlowEstimator'),
        both_ways=True,
        cache_dir='work_dirs/flow_cache',
        cache_limit=64,  # GiB
    ),
    dict(type='ClipFlip', prob=0.5),
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
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CamVidDataset', data_root=data_root, sequences=dusk)
source_train = dict(
    type='CamVidDataset', data_root=data_root, sequences=day, pipeline=source_pipeline
)
target_train = dict(**target, with_labels=False, pipeline=target_pipeline)
target_train_labelled = dict(**target, pipeline=target_labelled_pipeline, clip_length=1)

train_dataloader = dict(
    batch_size=1,
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
    dataset=dict(**target, test_mode=True, pipeline=test_pipeline, clip_length=1),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='ClassSubsetIoU', iou_metrics=['mIoU'], per_class=True),
    dict(type='VPQMetric', per_class=True),
]
test_evaluator = val_evaluator
