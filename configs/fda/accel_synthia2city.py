# FDA on Accel, SYNTHIA-Seq to Cityscapes-Seq: 45.2 mIoU in STPL's and I2VDA's table 2, which do not
# say which of its networks or rounds that is; here one network, without pseudo-labels.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/fda.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# Random crops of the source of the target's size. No augmented view: nothing uses it.
source_pipeline = [
    *_base_.source_pipeline[:-1],
    dict(type='ClipCrop', crop_size=(512, 1024)),
    dict(type='PackClipInputs'),
]
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
train_dataloader = dict(
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline))
)
model = dict(
    _base_.method,
    # As released: a single classifier.
    student=dict(segmentor=dict(auxiliary_head=None, decode_head=dict(num_classes=12))),
)
