# AdaptSegNet with a single level and least squares, whose weight is ten times as large.
_base_ = [
    '../_base_/models/deeplabv2-r101.py',
    '../_base_/methods/adaptsegnet.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
model = dict(
    {
        **_base_.method,
        'gan_loss': dict(type='DomainGANLoss', kind='lsgan', source_label=0),
        'adversarial_weight': 0.01,
    },
    student=dict(segmentor=dict(auxiliary_head=None)),
)
