# AdaptSegNet, Cityscapes to Dark Zurich: 30.4 mIoU of the test images in SePiCo's table 3, which
# does not tell how it was trained.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/adaptsegnet.py',
    '../_base_/datasets/city2darkzurich.py',
    '../_base_/default_runtime.py',
]
# Whole frames at the sizes of SePiCo's crops, otherwise as released.
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 640), interpolation='bicubic', backend='pillow'),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 720), interpolation='bicubic', backend='pillow'),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 720), interpolation='bicubic', backend='pillow'),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]
train_dataloader = dict(
    batch_size=1,
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline)),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
model = _base_.method
