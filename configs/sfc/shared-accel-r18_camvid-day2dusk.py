# SFC on real driving video, CamVid day to dusk, with the Accel and the source model that the other
# methods start from, in one stage: minutes on two cores.
_base_ = [
    '../_base_/methods/sfc_shared-accel-r18.py',
    '../_base_/datasets/camvid_day2dusk.py',
    '../_base_/schedules/small_mix.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11))
    ),
    source_checkpoint='work_dirs/source_only/accel-r18_camvid-day2dusk/iter_800.pth',
    sfm_checkpoint='work_dirs/sfc/sfm_camvid-day/iter_600.pth',
)
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(max_iters=100, val_interval=100)
