# TPS in SFC's two stages, VIPER to Cityscapes-Seq. Stage one trains the segmentation
# network that both branches of Accel start from. 46.71 mIoU in SFC's table 3.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/methods/tps.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(
    _base_.method,
    pseudo_weight=0.1,
    student=dict(_delete_=True, type='PerFrame', segmentor=_base_.sfc_segmentor),
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
