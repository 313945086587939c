# VIPER images -> Cityscapes-Seq for I2VDA (section 4): single frames, every tenth of VIPER, at
# 896x512; of Cityscapes the annotated frame and the one before it, at 1024x512, with flow both
# ways. Nothing is flipped ("no spatial-level data augmentation"). Predictions are made frame by
# frame and scored at full resolution. No code is published: the resize is mmcv's. 15 classes. Sizes
# are (width, height).
source_root = 'data/viper'
target_root = 'data/cityscapes'
# Flow between the two frames. DIS needs no weights, the paper has FlowNet2; other providers:
# docs/datasets.md, "Flow".
flow = dict(
    type='LoadFlow',
    provider=dict(type='DISFlowEstimator'),
    both_ways=True,
    cache_dir='work_dirs/flow_cache',
    cache_limit=64,  # GiB
)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(896, 512)),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512)),
    flow,
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CityscapesSeqDataset', data_root=target_root, classes_from='viper')
# The 13367 images that I2VDA calls *0.
source_train = dict(
    type='ViperSeqDataset',
    data_root=source_root,
    annotated='*0',
    clip_length=1,
    pipeline=source_pipeline,
)
target_train = dict(**target, with_labels=False, pipeline=target_pipeline)
target_train_labelled = dict(**target, pipeline=target_labelled_pipeline, clip_length=1)

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DrawSampler', shuffle=True),
    dataset=dict(type='DomainPairDataset', source=source_train, target=target_train),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**target, split='val', test_mode=True, pipeline=test_pipeline, clip_length=1),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'], per_class=True)
test_evaluator = val_evaluator
