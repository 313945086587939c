# CamVid, day to dusk, for nets that predict frame by frame: no flow, and two metrics.
_base_ = './camvid_day2dusk.py'
scale = (240, 180)  # (width, height)
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=scale),
    dict(type='ClipFlip', prob=0.5),
    # Unlike the papers: without it the small source nets are too weak to adapt (docs/results.md).
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=scale),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
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
    dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'), both_ways=True),
    dict(type='ClipFlip', prob=0.5),
    # Unlike the paper, as in the source training.
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
# For making them.
prediction_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=scale),
    dict(type='PackClipInputs'),
]
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=scale),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]
source_train = dict(pipeline=source_pipeline)
target_train = dict(pipeline=target_pipeline)
target_train_labelled = dict(clip_length=1, pipeline=target_labelled_pipeline)
train_dataloader = dict(dataset=dict(source=source_train, target=target_train))
val_dataloader = dict(dataset=dict(clip_length=1, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type='ClassSubsetIoU', iou_metrics=['mIoU']), dict(type='VPQMetric')]
test_evaluator = val_evaluator
