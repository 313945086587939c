# TPS without its losses of the source, TPS* of STPL's tables, 22.1 mIoU there, from the
# source-only model and with the training settings of STPL.
_base_ = './accel_synthia2city.py'
# Source-free: no source data set exists in this run.
train_dataloader = dict(dataset=dict(source=None))
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(_delete_=True),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(max_iters=20000, val_interval=2000)
model = dict(source_checkpoint='work_dirs/source_only/accel_synthia2city/iter_40000.pth')
