# MiniDrive (tools/make_minidrive.py data/minidrive) instead of GTAV and Cityscapes: the same
# data sets and transforms as in gta2city.py, other folders and sizes. Wall and train do not occur
# in it. Scale and crop sizes: scale is (width, height), crop_size (height, width).
source_root = 'data/minidrive/gta'
target_root = 'data/minidrive/cityscapes'
# As the papers' share of an image.
rare_class_sampling = dict(
    statistics='data/minidrive/gta/class_statistics.json', temperature=0.01, min_pixels=50
)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 108), keep_ratio=True),
    dict(type='ClipCrop', crop_size=(96, 96), cat_max_ratio=0.75, rare_class_min_pixels=25),
    dict(type='ClipFlip', prob=0.5),
    # Unlike in the papers: without it the small source nets are too weak to adapt
    # (docs/results_2026.md).
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
# Cropped by its pseudo-labels, on the device (ClassBalancedCrop).
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='ClipCrop', crop_size=(96, 96), cat_max_ratio=0.75),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(
    type='CityscapesImageDataset', data_root=target_root, image_folder='leftImg8bit_sequence'
)
source_train = dict(type='GTADataset', data_root=source_root, pipeline=source_pipeline)
# MiniDrive has the video snippets only: their annotated frames are the images.
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
    dataset=dict(**target, split='val', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
