# Cityscapes -> Dark Zurich (night) in 19 classes as DAFormer has it: 512x512 crops, source at
# 1024x512, target at 960x540, without labels; scored on val (50 images) at full resolution. The
# paper's numbers are those of test, which only the server of the data set scores. Scale and crop
# sizes: scale is (width, height), crop_size (height, width).
source_root = 'data/cityscapes'
target_root = 'data/dark_zurich'
# For methods that sample rare classes: train_dataloader.dataset.rare_class_sampling. The file is
# written by tools/class_statistics.py.
rare_class_sampling = dict(
    statistics='data/cityscapes/class_statistics.json', temperature=0.01, min_pixels=3000
)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1024, 512)),
    # 0.5 times the min_pixels of the rare-class sampling; without it no effect.
    dict(type='ClipCrop', crop_size=(512, 512), cat_max_ratio=0.75, rare_class_min_pixels=1500),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(960, 540)),
    dict(type='ClipCrop', crop_size=(512, 512)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(960, 540)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='DarkZurichImageDataset', data_root=target_root)
source_train = dict(type='CityscapesImageDataset', data_root=source_root, pipeline=source_pipeline)
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
