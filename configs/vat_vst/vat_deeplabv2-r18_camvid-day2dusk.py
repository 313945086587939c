# VAT, phase 1 of VAT-VST, CamVid, day to dusk: minutes on two cores.
_base_ = [
    '../_base_/methods/vat_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_frames.py',
    '../_base_/schedules/small_vat.py',
    '../_base_/default_runtime.py',
]
# The tube loss needs the labels of both frames; the first frame of a sequence makes no clip.
train_dataloader = dict(
    dataset=dict(source=dict(label_clips=True, whole_clips=True), target=dict(whole_clips=True))
)
model = dict(
    source_checkpoint='work_dirs/source_only/deeplabv2-r18_camvid-day2dusk/iter_800.pth',
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
)
# An iteration takes twice as long as on MiniDrive.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(max_iters=100, val_interval=100)
