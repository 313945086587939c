# SYNTHIA-Seq -> Cityscapes-Seq as DA-VSN, TPS and STPL have it: 12 classes are trained, 11 reported
# (fence is left out of the mean). SYNTHIA at 1280x760 without the lowest 120 rows, Cityscapes at
# 1024x512, scored at full resolution. docs/datasets.md: where the data comes from. As in their
# releases: 849 current frames, all but 000000, which is only a previous one; nothing is flipped;
# frames are resized with Pillow, bicubically, labels with its nearest neighbour. Scale and crop
# sizes: scale is (width, height), crop_size (height, width).
source_root = 'data/synthia_seq'
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
    dict(type='ClipResize', scale=(1280, 760), interpolation='bicubic', backend='pillow'),
    flow,
    dict(type='ClipCrop', crop_size=(0.8421052631578947, 1.0), mode='top'),
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

target = dict(type='CityscapesSeqDataset', data_root=target_root, classes_from='synthia')
# All names but 000000 contain a digit other than 0.
source_train = dict(
    type='SynthiaSeqDataset', data_root=source_root, annotated='*[1-9]*', pipeline=source_pipeline
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
val_evaluator = dict(
    type='ClassSubsetIoU',
    iou_metrics=['mIoU'],
    per_class=True,
    subset=[
        'road',
        'sidewalk',
        'building',
        'pole',
        'light',
        'sign',
        'vegetation',
        'sky',
        'person',
        'rider',
        'car',
    ],
)
test_evaluator = val_evaluator
