# TPS on real driving video, CamVid day to dusk: minutes on two cores.
_base_ = [
    '../_base_/methods/tps_accel-r18.py',
    '../_base_/datasets/camvid_day2dusk.py',
    '../_base_/schedules/small_mix.py',
    '../_base_/default_runtime.py',
]
# Three frames, mostly a second apart: both pairs share the middle one.
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11))
    ),
    source_checkpoint='work_dirs/source_only/accel-r18_camvid-day2dusk/iter_800.pth',
)
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(max_iters=100, val_interval=100)
