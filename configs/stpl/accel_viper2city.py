# STPL with the paper's settings (section 4.1): VIPER to Cityscapes-Seq, 52.5 mIoU there.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/schedules/stpl_20k.py',
    '../_base_/default_runtime.py',
]
# Source-free: no source data set exists in this run.
train_dataloader = dict(dataset=dict(source=None))
model = dict(
    type='STPL',
    source_checkpoint='work_dirs/source_only/accel_viper2city/iter_40000.pth',
    fusion=dict(type='STAM'),
    # The paper names a projection head "similar to SimCLR" and no sizes.
    projection=dict(type='ProjectionHead', hidden_channels=512, channels=128),
    loss=dict(type='STPLLoss', temperature=0.07, denominator='negatives'),
    contrast='spatio_temporal',
    confident_ratio=0.7,
    norm_eval=True,
)
