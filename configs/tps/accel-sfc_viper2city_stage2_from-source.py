# SFC's table 3, stage two of TPS from the segmentation networks of the source model: 46.58 mIoU.
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
    source_checkpoint='work_dirs/sfc/accel_viper2city_source-stage1/iter_80000.pth',
    student=dict(stage=2),
)
# As stage two of SFC.
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=5e-4, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type='ConstantLR', factor=0.1, begin=0, end=1001, by_epoch=False)]
train_cfg = dict(max_iters=160000)
