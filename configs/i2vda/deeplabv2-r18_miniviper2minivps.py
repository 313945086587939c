# I2VDA on MiniDrive: minutes on two cores.
_base_ = [
    '../_base_/methods/i2vda_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minivps_image2video.py',
    '../_base_/schedules/small_i2vda.py',
    '../_base_/default_runtime.py',
]
model = dict(
    source_checkpoint='work_dirs/source_only/deeplabv2-r18_miniviper2minivps/iter_800.pth',
    student=dict(segmentor=dict(decode_head=dict(num_classes=15))),
)
