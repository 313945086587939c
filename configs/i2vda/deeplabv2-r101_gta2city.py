# I2VDA with GTAV, which is not a video, as the source: 19 classes. Not in the paper.
_base_ = [
    '../_base_/methods/i2vda_deeplabv2-r101.py',
    '../_base_/datasets/gta2city_image2video.py',
    '../_base_/default_runtime.py',
]
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=19))))
