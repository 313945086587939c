# SYNTHIA-RAND-CITYSCAPES -> Cityscapes as AdaptSegNet and ADVENT have it: as gta2city_whole.py, the
# source at 1280x760, with the 19 classes of Cityscapes trained and the 16 that SYNTHIA has in the
# mean (mIoU); 13/mIoU is the mean without wall, fence and pole. Sizes are (width, height).
source_root = 'data/synthia_rand'
target_root = 'data/cityscapes'

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 760), interpolation='bicubic', backend='pillow'),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow'),
    dict(type='PackClipInputs'),
]
# For the oracle, and for training on pseudo-labels.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow'),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow'),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='CityscapesImageDataset', data_root=target_root)
source_train = dict(type='SynthiaDataset', data_root=source_root, pipeline=source_pipeline)
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
