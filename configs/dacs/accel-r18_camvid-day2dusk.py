# DACS on CamVid, day to dusk: minutes on two cores.
_base_ = [
    '../_base_/methods/dacs_accel-r18.py',
    '../_base_/datasets/camvid_day2dusk_mix.py',
    '../_base_/schedules/small_mix.py',
    '../_base_/default_runtime.py',
]
model = dict(
    # Strongly augmented mixes of day and dusk look unlike dusk.
    running_statistics='target',
    source_checkpoint='work_dirs/source_only/accel-r18_camvid-day2dusk/iter_800.pth',
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11))
    ),
)
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(max_iters=100, val_interval=100)
