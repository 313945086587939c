# MinEnt without the losses of the source, on Accel, SYNTHIA-Seq to Cityscapes-Seq. In no paper: the
# training settings of STPL, and a weight of 1, there being nothing to weigh against.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/minent_source-free.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
train_dataloader = dict(dataset=dict(source=None, target=dict(pipeline=target_pipeline)))
model = dict(
    _base_.method,
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
    ),
    source_checkpoint='work_dirs/source_only/accel_synthia2city/iter_40000.pth',
)
