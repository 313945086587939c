# MiniDrive (tools/make_minidrive.py data/minidrive) instead of SYNTHIA-Seq and Cityscapes-Seq:
# the same data sets, other folders and sizes. All frames are taken, the source is flipped, and the
# resize is mmcv's.
_base_ = './synthia2city.py'
source_root = 'data/minidrive/synthia_seq'
target_root = 'data/minidrive/cityscapes'
flow = dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'))

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 114)),
    flow,
    dict(type='ClipCrop', crop_size=(640 / 760, 1.0), mode='top'),
    dict(type='ClipFlip', prob=0.5),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    flow,
    dict(type='CrossFrameAugment'),
    dict(type='PackClipInputs'),
]
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 96)),
    flow,
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    flow,
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

source_train = dict(data_root=source_root, annotated=None, pipeline=source_pipeline)
target_train = dict(data_root=target_root, pipeline=target_pipeline)
target_train_labelled = dict(data_root=target_root, pipeline=target_labelled_pipeline)
train_dataloader = dict(
    batch_size=4, num_workers=2, dataset=dict(source=source_train, target=target_train)
)
val_dataloader = dict(num_workers=2, dataset=dict(data_root=target_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
