# I2VDA with the paper's settings: VIPER images to Cityscapes-Seq, 51.2 mIoU there.
_base_ = [
    '../_base_/methods/i2vda_deeplabv2-r101.py',
    '../_base_/datasets/viper2city_image2video.py',
    '../_base_/default_runtime.py',
]
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=15))))
