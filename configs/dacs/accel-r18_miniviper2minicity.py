# DACS on MiniDrive: minutes on two cores.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minicity_mix.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='DACS',
    confidence_threshold=0.968,
    augment=dict(type='StrongAugment'),
    # In 200 iterations, statistics of both domains fit neither domain.
    running_statistics='mixed',
    source_checkpoint='work_dirs/source_only/accel-r18_miniviper2minicity/iter_800.pth',
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.99)]
# From a source-only model (docs/results_2026.md), not the 40k iterations from ImageNet weights.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=200, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=200, val_interval=200)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
