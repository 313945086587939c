# synthia2city.py without flow: for nets with a flow branch and methods with a flow network. Its
# values are explained there. Scale is (width, height), crop_size (height, width).
source_root = 'data/synthia_seq'
target_root = 'data/cityscapes'

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 760), interpolation='bicubic', backend='pillow'),
    dict(type='ClipCrop', crop_size=(0.8421052631578947, 1.0), mode='top'),
    dict(type='PackClipInputs'),
]
# No augmented view: only temporal pseudo-labels need one.
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow'),
    dict(type='PackClipInputs'),
]
# With one.
augmented_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512), interpolation='bicubic', backend='pillow'),
    dict(type='TPSAugment'),
    dict(type='PackClipInputs'),
]
# For the oracle.
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
