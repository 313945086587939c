# STPL, source-free, minutes on two cores, with the small recipe (README.md here): it starts from
# the AdaBN model, whose labels hold the features in place.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minicity.py',
    '../_base_/schedules/small_stpl.py',
    '../_base_/default_runtime.py',
]
# Source-free: no source data set exists in this run.
train_dataloader = dict(dataset=dict(source=None))
model = dict(
    type='STPL',
    source_checkpoint='work_dirs/adabn/accel-r18_miniviper2minicity/iter_50.pth',
    fusion=dict(type='STAM'),
    projection=dict(type='ProjectionHead', hidden_channels=256, channels=128),
    loss=dict(type='STPLLoss', temperature=0.07, denominator='negatives', loss_weight=0.1),
    contrast='spatio_temporal',
    confident_ratio=0.7,
    confident_per_class=True,
    anchor_weight=1.0,
    norm_eval=False,
)
