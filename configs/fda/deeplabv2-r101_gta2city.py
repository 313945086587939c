# FDA, GTAV to Cityscapes: 50.5 mIoU with multi-band transfer and self-supervised
# training (SePiCo's table 1); here one of its networks, before that.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/fda.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
# Random crops of the source of the target's size.
source_pipeline = [
    *_base_.source_pipeline[:-1],
    dict(type='ClipCrop', crop_size=(512, 1024)),
    dict(type='PackClipInputs'),
]
train_dataloader = dict(dataset=dict(source=dict(pipeline=source_pipeline)))
model = dict(
    _base_.method,
    # As released: a single classifier.
    student=dict(segmentor=dict(auxiliary_head=None)),
)
