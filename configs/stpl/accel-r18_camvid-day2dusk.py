# STPL, source-free, minutes on two cores, with the small recipe (README.md here): it starts from
# the AdaBN model, whose labels hold the features in place.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk.py',
    '../_base_/schedules/small_stpl.py',
    '../_base_/default_runtime.py',
]
# Source-free: no source data set exists in this run.
train_dataloader = dict(dataset=dict(source=None))
# At MiniDrive's 3e-4 it only reaches the AdaBN model that it starts from (docs/results.md).
optim_wrapper = dict(optimizer=dict(lr=1e-3))
model = dict(
    type='STPL',
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11))
    ),
    source_checkpoint='work_dirs/adabn/accel-r18_camvid-day2dusk/iter_50.pth',
    fusion=dict(type='STAM'),
    projection=dict(type='ProjectionHead', hidden_channels=256, channels=128),
    loss=dict(type='STPLLoss', temperature=0.07, denominator='negatives', loss_weight=0.1),
    contrast='spatio_temporal',
    confident_ratio=0.7,
    confident_per_class=True,
    anchor_weight=1.0,
    norm_eval=False,
)
