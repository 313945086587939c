# STPL on DINOv2 ViT-B/14, VIPER to Cityscapes-Seq, with the settings of accel_viper2city.py.
# No paper has it.
_base_ = [
    '../_base_/models/dinov2-vitb14.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None))
model = dict(
    type='STPL',
    student=dict(
        type='Accel',
        padding_mode='border',
        segmentor=dict(
            decode_head=dict(num_classes=15), test_cfg=dict(_delete_=True, mode='whole')
        ),
    ),
    source_checkpoint='work_dirs/source_only/accel-dinov2-vitb14_viper2city/iter_40000.pth',
    fusion=dict(type='STAM'),
    projection=dict(type='ProjectionHead', hidden_channels=512, channels=128),
    loss=dict(type='STPLLoss', temperature=0.07, denominator='negatives'),
    contrast='spatio_temporal',
    confident_ratio=0.7,
    norm_eval=True,
)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
