# VIPER -> BDDVid in 15 classes as UnifiedVideoDA trains HRDA and MIC on it: VIPER at 2560x1440,
# BDDVid at 1280x720, batches of 2, 720x720 crops; scored in windows at full resolution, on the
# images that were labelled. Single images: clips of one frame, no flow. As in its release: the
# 13367 frames of VIPER whose number ends in 0, with the own car, which keeps its label; riders of
# BDDVid are left out of the score. Unlike there: the network has the 15 classes that are scored,
# not all 19; trains of VIPER have no label. docs/datasets.md: where the data comes from. Scale and
# crop sizes: scale is (width, height), crop_size (height, width).
source_root = 'data/viper'
target_root = 'data/bddvid'
# For methods that sample rare classes: train_dataloader.dataset.rare_class_sampling. The file is
# written by tools/class_statistics.py.
rare_class_sampling = dict(
    statistics='data/viper/class_statistics_own-car.json', temperature=0.01, min_pixels=3000
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
    dict(type='ClipResize', scale=(2560, 1440)),
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

target = dict(type='BDDVidDataset', data_root=target_root, classes_from='viper', clip_length=1)
source_train = dict(
    type='ViperSeqDataset',
    data_root=source_root,
    annotated='*0',
    clip_length=1,
    ignore_ego_vehicle=False,
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
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'], per_class=True)
test_evaluator = val_evaluator
