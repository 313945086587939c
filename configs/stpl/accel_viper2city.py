# STPL with the paper's settings (section 4.1): VIPER to Cityscapes-Seq, 52.5 mIoU there.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
# Source-free: this run has no source data set.
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
# Section 4.1: SGD with momentum 0.9, lr 2.5e-6, poly 0.9, 20k iterations. The weight decay is
# not stated; it is that of DA-VSN and TPS, whose setting the paper follows.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
