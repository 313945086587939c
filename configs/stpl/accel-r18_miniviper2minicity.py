# STPL, source-free, minutes on two cores; it starts from the AdaBN model.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py', '../_base_/datasets/miniviper2minicity.py',
    '../_base_/schedules/small_stpl.py', '../_base_/default_runtime.py'
]
# Source-free: no source data set exists in this run.
train_dataloader = dict(batch_size=2, dataset=dict(source=None))
model = dict(
    type='STPL',
    source_checkpoint='work_dirs/adabn/accel-r18_miniviper2minicity/iter_50.pth',
    fusion=dict(type='STAM'),
    projection=dict(type='ProjectionHead', hidden_channels=256, channels=128),
    loss=dict(type='STPLLoss', temperature=0.07, denominator='negatives'),
    contrast='spatio_temporal',
    confident_ratio=0.7,
    norm_eval=True)
