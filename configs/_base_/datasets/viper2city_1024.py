# VIPER -> Cityscapes-Seq in 15 classes as UnifiedVideoDA trains HRDA and MIC on it: VIPER at
# 2560x1440, Cityscapes at full resolution, batches of 2, 1024x1024 crops; scored in windows at full
# resolution. Single images: clips of one frame, no flow. As in its release: the 13367 frames of
# VIPER whose number ends in 0, with the own car, which keeps its label. Unlike there: the network
# has the 15 classes that are scored, not all 19, and riders of Cityscapes are persons, as VIPER
# labels them, where the release leaves them out of the score; trains of VIPER have no label.
# docs/datasets.md: where the data comes from. Scale and crop sizes: scale is (width, height),
# crop_size (height, width).
source_root = 'data/viper'
target_root = 'data/cityscapes'
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
    dict(type='ClipCrop', crop_size=(1024, 1024), cat_max_ratio=0.75, rare_class_min_pixels=6000),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# Pseudo-labels weigh nothing in the margins of the whole frame.
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='PseudoLabelMargins', top=30, bottom=240, left=30, right=30),
    dict(type='ClipResize', scale=(2048, 1024)),
    dict(type='ClipCrop', crop_size=(1024, 1024)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# Clips of two frames, for pseudo-labels refined by the video and for networks that fuse frames.
target_clip_pipeline = [
    dict(type='LoadClip'),
    dict(type='PseudoLabelMargins', top=30, bottom=240, left=30, right=30),
    dict(type='ClipResize', scale=(2048, 1024)),
    flow,
    dict(type='ClipCrop', crop_size=(1024, 1024)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
source_clip_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(2560, 1440)),
    flow,
    dict(type='ClipCrop', crop_size=(1024, 1024), cat_max_ratio=0.75, rare_class_min_pixels=6000),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(2048, 1024)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]
test_clip_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(2048, 1024)),
    flow,
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(
    type='CityscapesSeqDataset', data_root=target_root, classes_from='viper', clip_length=1
)
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
    dataset=dict(**target, split='val', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'], per_class=True)
test_evaluator = val_evaluator
