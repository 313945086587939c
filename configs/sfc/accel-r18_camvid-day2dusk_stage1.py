# SFC on CamVid: stage one trains the two branches of Accel, each by itself, from the source model.
_base_ = [
    '../_base_/methods/sfc_accel-r18.py',
    '../_base_/datasets/camvid_day2dusk_own-flow.py',
    '../_base_/schedules/small_mix.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1)))
heads = dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11))
model = dict(
    source_checkpoint='work_dirs/sfc/accel-r18_camvid-day2dusk_source-stage2/iter_800.pth',
    sfm_checkpoint='work_dirs/sfc/sfm_camvid-day/iter_600.pth',
    flow=dict(checkpoint='work_dirs/sfc/flownets_camvid-day/iter_1500.pth'),
    student=dict(stage=1, segmentor=heads, reference_segmentor=heads),
)
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(max_iters=100, val_interval=100)
