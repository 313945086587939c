# SFC with temporal pseudo-labels, as TPS makes them.
_base_ = [
    '../_base_/methods/sfc_effnet-lite0.py',
    '../_base_/datasets/day2dusk.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_day2dusk/iter_600.pth',
    sfm_checkpoint='work_dirs/sfc/sfm_camvid-day/iter_600.pth',
    pseudo_weight=1.0,
)
