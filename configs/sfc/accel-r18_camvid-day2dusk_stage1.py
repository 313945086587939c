# SFC on CamVid: stage one trains the two branches of Accel, each separately, from the source model.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_own-flow.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1)))
heads = dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11))
model = dict(
    type='SFC',
    sfm=dict(type='SFM', flow_net=dict(type='FlowNetS', base_channels=12)),
    flow_weight=0.005,
    softmax_scale=100.0,
    # SFM takes most of the time of an iteration.
    auxiliary_weight=0.0,
    # In 200 iterations, statistics of both domains fit neither domain.
    running_statistics='target',
    flow=dict(
        type='FrozenFlowNet',
        flow_net=dict(type='FlowNetS', base_channels=12),
        full_size=False,
        checkpoint='work_dirs/sfc/flownets_camvid-day/iter_1500.pth',
    ),
    source_checkpoint='work_dirs/sfc/accel-r18_camvid-day2dusk_source-stage2/iter_800.pth',
    sfm_checkpoint='work_dirs/sfc/sfm_camvid-day/iter_600.pth',
    student=dict(stage=1, segmentor=heads, reference_segmentor=heads),
)
# From a source-only model (docs/results_2026.md), not the 40k iterations from ImageNet weights.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-4, weight_decay=1e-2))
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
