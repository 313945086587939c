# SYNTHIA-RAND-CITYSCAPES -> Cityscapes as HRDA has it: gta2city_1024.py with SYNTHIA at 2560x1520,
# with the 19 classes of Cityscapes trained and the 16 that SYNTHIA has in the mean (mIoU); 13/mIoU
# is the mean without wall, fence and pole. Scale and crop sizes: scale is (width, height),
# crop_size (height, width).
source_root = 'data/synthia_rand'
target_root = 'data/cityscapes'
# For methods that sample rare classes: train_dataloader.dataset.rare_class_sampling. The file is
# written by tools/class_statistics.py.
rare_class_sampling = dict(
    statistics='data/synthia_rand/class_statistics.json', temperature=0.01, min_pixels=3000
)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(2560, 1520)),
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
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(2048, 1024)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CityscapesImageDataset', data_root=target_root)
source_train = dict(type='SynthiaDataset', data_root=source_root, pipeline=source_pipeline)
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
val_evaluator = [
    dict(
        type='ClassSubsetIoU',
        iou_metrics=['mIoU'],
        per_class=True,
        subset=[
            'road',
            'sidewalk',
            'building',
            'wall',
            'fence',
            'pole',
            'light',
            'sign',
            'vegetation',
            'sky',
            'person',
            'rider',
            'car',
            'bus',
            'motorcycle',
            'bicycle',
        ],
    ),
    dict(
        type='ClassSubsetIoU',
        iou_metrics=['mIoU'],
        prefix='13',
        subset=[
            'road',
            'sidewalk',
            'building',
            'light',
            'sign',
            'vegetation',
            'sky',
            'person',
            'rider',
            'car',
            'bus',
            'motorcycle',
            'bicycle',
        ],
    ),
]
test_evaluator = val_evaluator
