# VIPER -> Cityscapes-Seq in 15 classes, as DA-VSN, TPS, SFC and STPL have it: VIPER at 1280x720,
# Cityscapes at 1024x512, scored at full resolution. docs/datasets.md: where the data comes from. As
# in the releases of DA-VSN, TPS and SFC: the 13367 frames of VIPER whose number ends in 0 are the
# current ones, those between them only previous ones; nothing is flipped or cropped; frames are
# resized with Pillow, bicubically, labels with its nearest neighbour. Sizes are (width, height).
source_root = 'data/viper'
target_root = 'data/cityscapes'
# Flow current -> previous. DIS needs no weights; other providers: docs/datasets.md, "Flow".
flow = dict(
    type='LoadFlow',
    provider=dict(type='DISFlowEstimator'),
    cache_dir='work_dirs/flow_cache',
    cache_limit=64,  # GiB
)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 720), interpolation='bicubic', backend='pillow'),
    flow,
    dict(type='PackClipInputs'),
]
# Nothing geometric: the augmented view uses the labels of the original clip.
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow'),
    flow,
    dict(type='TPSAugment'),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow'),
    flow,
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow'),
    flow,
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CityscapesSeqDataset', data_root=target_root, classes_from='viper')
source_train = dict(
    type='ViperSeqDataset', data_root=source_root, annotated='*0', pipeline=source_pipeline
)
target_train = dict(**target, with_labels=False, pipeline=target_pipeline)
target_train_labelled = dict(**target, pipeline=target_labelled_pipeline)

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
    dataset=dict(**target, split='val', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'], per_class=True)
test_evaluator = val_evaluator
