# I2VDA on real driving video, CamVid day to dusk: minutes on two cores.
_base_ = [
    '../_base_/methods/i2vda_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_image2video.py',
    '../_base_/schedules/small_i2vda.py', '../_base_/default_runtime.py'
]
model = dict(
    source_checkpoint='work_dirs/source_only/deeplabv2-r18_camvid-day2dusk/iter_800.pth',
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))))
# An iteration takes twice as long as on MiniDrive.
custom_hooks = [dict(type='ProxyNetworkHook', launch=60, interval=20)]
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0., begin=0, end=100, by_epoch=False)]
train_cfg = dict(max_iters=100, val_interval=100)
