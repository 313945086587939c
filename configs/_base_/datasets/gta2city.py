# GTAV -> Cityscapes in 19 classes, as SePiCo has it (section 4.1.2): batches of 2, 640x640 crops,
# validation at 1280x640, scored at full resolution. Single images: clips of one frame, no flow. The
# sizes before the crop are not in the paper; they are those of the published configs, which keep
# the ratio of GTAV (1280x704). docs/datasets.md: where the data comes from. Scale and crop sizes:
# scale is (width, height), crop_size (height, width).
source_root = 'data/gta'
target_root = 'data/cityscapes'
# For methods that sample rare classes: train_dataloader.dataset.rare_class_sampling. The file is
# written by tools/class_statistics.py.
rare_class_sampling = dict(
    statistics='data/gta/class_statistics.json', temperature=0.01, min_pixels=3000
)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 720), keep_ratio=True),
    # 0.5 times the min_pixels of the rare-class sampling; without it no effect.
    dict(type='ClipCrop', crop_size=(640, 640), cat_max_ratio=0.75, rare_class_min_pixels=1500),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# Cropped by its pseudo-labels, on the device (ClassBalancedCrop).
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 640)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 640)),
    dict(type='ClipCrop', crop_size=(640, 640), cat_max_ratio=0.75),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 640)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CityscapesImageDataset', data_root=target_root)
source_train = dict(type='GTADataset', data_root=source_root, pipeline=source_pipeline)
target_train = dict(**target, with_labels=False, pipeline=target_pipeline)
target_train_labelled = dict(**target, pipeline=target_labelled_pipeline)

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
