# SFC on CamVid: stage two freezes the backbones of stage one and trains classifiers, flow branch
# and fusion.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_own-flow.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
# The frozen backbones keep their statistics too; those of the full-size nets move, as released.
nets = dict(
    backbone=dict(norm_eval=True),
    decode_head=dict(num_classes=11),
    auxiliary_head=dict(num_classes=11),
)
model = dict(
    type='SFC',
    sfm=dict(type='SFM', flow_net=dict(type='FlowNetS', base_channels=12)),
    flow_weight=0.001,
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
    source_checkpoint='work_dirs/sfc/accel-r18_camvid-day2dusk_stage1/iter_100.pth',
    sfm_checkpoint='work_dirs/sfc/sfm_camvid-day/iter_600.pth',
    student=dict(stage=2, segmentor=nets, reference_segmentor=nets),
)
# From a source-only model (docs/results_2026.md), not the 40k iterations from ImageNet weights.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-4, weight_decay=1e-2))
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
