# TPS on real driving video, CamVid day to dusk: minutes on two cores.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk.py',
    '../_base_/default_runtime.py',
]
# Three frames, mostly a second apart: both pairs share the middle one.
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(
    type='TPS',
    student=dict(
        padding_mode='border',
        segmentor=dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11)),
    ),
    # That of VIPER.
    pseudo_weight=0.1,
    auxiliary_weight=0.1,
    confidence_threshold=None,
    histogram_matching=True,
    # In 200 iterations, statistics of both domains fit neither domain.
    running_statistics='target',
    source_checkpoint='work_dirs/source_only/accel-r18_camvid-day2dusk/iter_800.pth',
)
# From a source-only model (docs/results_2026.md), not the 40k iterations from ImageNet weights.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-4, weight_decay=1e-2))
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
