# SYNTHIA-Seq -> Cityscapes-VPS: 12 classes are trained, 11 reported (fence is left out of the
# means), as VAT-VST reports them in its tables 10 and 11. The paper takes 1928 images of
# SYNTHIA-Seq and does not say which; here, as in synthia2city.py, the 850 of 04-DAWN. The target
# is that of viper2cityvps.py. Scale is (width, height), crop_size (height, width).
target_root = 'data/cityscapes_vps'
# All frames of the training clips, which the official preparation makes for val and test only: the
# clips are of Cityscapes' val. None for data/cityscapes_vps/train/img_all.
frame_root = 'data/cityscapes/leftImg8bit_sequence/val'

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 760)),
    # Without the lowest 120 rows.
    dict(type='ClipCrop', crop_size=(0.8421052631578947, 1.0), mode='top'),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For training on pseudo-labels, with flow between the two frames of a clip.
pseudo_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(
        type='LoadFlow',
        provider=dict(type='DISFlowEstimator'),
        both_ways=True,
        cache_dir='work_dirs/flow_cache',
        cache_limit=64,  # GiB
    ),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# To generate them.
prediction_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]
reported = [
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
]

target = dict(type='CityscapesVPSDataset', data_root=target_root, classes_from='synthia')
source_train = dict(
    type='SynthiaSeqDataset', data_root='data/synthia_seq', annotated=None, pipeline=source_pipeline
)
# All 30 frames of a clip may be current frames; 6 of them have labels.
target_train = dict(
    **target, with_labels=False, pipeline=target_pipeline, frame_root=frame_root, frames='all'
)
target_train_labelled = dict(
    **target, pipeline=target_labelled_pipeline, frame_root=frame_root, clip_length=1
)

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
    dataset=dict(**target, split='val', test_mode=True, pipeline=test_pipeline, clip_length=1),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='ClassSubsetIoU', iou_metrics=['mIoU'], per_class=True, subset=reported),
    dict(type='VPQMetric', per_class=True, subset=reported),
]
test_evaluator = val_evaluator
