# VIPER -> Cityscapes-VPS in 15 classes, as VAT-VST has it, scored by mIoU and VPQ^s on the labelled
# frames of the 50 validation clips. For nets that predict frame by frame: no flow is computed. The
# paper gives no sizes: those of viper2city.py. It takes the 42455 daytime images of VIPER; which
# sequences these are is not published, and all are taken here (docs/datasets.md: with a list of
# them it is train_dataloader.dataset.source.sequences=FILE). No code is published: flips are ours,
# the resize is mmcv's. Sizes are (width, height).
source_root = 'data/viper'
target_root = 'data/cityscapes_vps'
# All frames of the training clips, which the official preparation makes for val and test only: the
# clips are of Cityscapes' val. None for data/cityscapes_vps/train/img_all.
frame_root = 'data/cityscapes/leftImg8bit_sequence/val'

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 720)),
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

target = dict(type='CityscapesVPSDataset', data_root=target_root, classes_from='viper')
# All frames with a label, not every tenth.
source_train = dict(
    type='ViperSeqDataset', data_root=source_root, annotated=None, pipeline=source_pipeline
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
    dict(type='ClassSubsetIoU', iou_metrics=['mIoU'], per_class=True),
    dict(type='VPQMetric', per_class=True),
]
test_evaluator = val_evaluator
