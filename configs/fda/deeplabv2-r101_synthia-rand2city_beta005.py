# FDA, SYNTHIA-RAND to Cityscapes: the second of the three networks of multi-band transfer.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/fda.py',
    '../_base_/datasets/synthia_rand2city_whole.py',
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
    beta=0.05,
    # As released: a single classifier.
    student=dict(segmentor=dict(auxiliary_head=None)),
)
