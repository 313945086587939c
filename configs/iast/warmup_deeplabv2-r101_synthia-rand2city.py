# The adversarial warm-up of IAST, SYNTHIA-RAND to Cityscapes.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/methods/iast_warmup.py',
    '../_base_/datasets/synthia_rand2city_whole.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4)
model = dict(
    _base_.method,
    student=dict(segmentor=dict(auxiliary_head=None)),
    source_checkpoint='work_dirs/source_only/deeplabv2-r101_synthia-rand2city/iter_40000.pth',
)
