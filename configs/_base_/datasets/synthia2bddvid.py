# SYNTHIA-Seq -> BDDVid as UnifiedVideoDA trains HRDA and MIC on it: SYNTHIA at 2560x1520, of which
# nothing is cut off, BDDVid at 1280x720, batches of 2, 720x720 crops; 12 classes are trained, 11
# scored (without fence), in windows at full resolution, on the images that were labelled. Single
# images: clips of one frame, no flow. As in its release: 849 current frames, all but 000000. Unlike
# there: the network has SYNTHIA's 12 classes, not the 19 of Cityscapes. docs/datasets.md: where the
# data comes from. Scale and crop sizes: scale is (width, height), crop_size (height, width).
source_root = 'data/synthia_seq'
target_root = 'data/bddvid'
# For methods that sample rare classes: train_dataloader.dataset.rare_class_sampling. The file is
# written by tools/class_statistics.py.
rare_class_sampling = dict(
    statistics='data/synthia_seq/class_statistics.json', temperature=0.01, min_pixels=3000
)
# Flow current -> previous, of clips. DIS needs no weights; others: docs/datasets.md, "Flow".
flow = dict(
    type='LoadFlow',
    provider=dict(type='DISFlowEstimator'),
    cache_dir='work_dirs/flow_cache',
    cache_limit=64,  # GiB
)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(2560, 1520)),
    # 2 times the min_pixels of the rare-class sampling; without it no effect.
    dict(type='ClipCrop', crop_size=(720, 720), cat_max_ratio=0.75, rare_class_min_pixels=6000),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# No margins without pseudo-labels: the release skips them for crops of 720 rows.
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 720)),
    dict(type='ClipCrop', crop_size=(720, 720)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For pseudo-labels refined by the video: clips of two frames.
target_clip_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 720)),
    flow,
    dict(type='ClipCrop', crop_size=(720, 720)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 720)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='BDDVidDataset', data_root=target_root, classes_from='synthia', clip_length=1)
# All names but 000000 contain a digit other than 0.
source_train = dict(
    type='SynthiaSeqDataset',
    data_root=source_root,
    annotated='*[1-9]*',
    clip_length=1,
    pipeline=source_pipeline,
)
target_train = dict(**target, with_labels=False, pipeline=target_pipeline)

train_dataloader = dict(
    batch_size=2,
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
    dataset=dict(**target, split='val_orig_10k', test_mode=True, pipeline=test_pipeline),
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
