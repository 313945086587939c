# TPS in SFC's two stages, SYNTHIA-Seq to Cityscapes-Seq. Stage one trains the segmentation
# network that both branches of Accel start from.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/methods/tps.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
heads = {
    name: dict(_base_.sfc_segmentor[name], num_classes=12)
    for name in ('decode_head', 'auxiliary_head')
}
model = dict(
    _base_.method,
    student=dict(_delete_=True, type='PerFrame', segmentor=dict(_base_.sfc_segmentor, **heads)),
)
# As stage one of SFC.
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0),
            '^.student.reference_segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.reference_segmentor.auxiliary_head': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=120000, by_epoch=False)
]
train_cfg = dict(max_iters=120000)
