# DACS on CamVid, day to dusk: minutes on two cores.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_mix.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='DACS',
    confidence_threshold=0.968,
    augment=dict(type='StrongAugment'),
    # Strongly augmented mixes of day and dusk do not look like dusk.
    running_statistics='target',
    source_checkpoint='work_dirs/source_only/accel-r18_camvid-day2dusk/iter_800.pth',
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11))
    ),
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.99)]
# From a source-only model (docs/results_2026.md), not the 40k iterations from ImageNet weights.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-4, weight_decay=1e-2))
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
