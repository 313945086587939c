# SFC with temporal pseudo-labels on CamVid: stage two.
_base_ = './accel-r18_camvid-day2dusk_stage2.py'
model = dict(
    source_checkpoint='work_dirs/sfc/accel-r18_camvid-day2dusk_tpl-stage1/iter_100.pth',
    pseudo_weight=0.1,
)
