# I2VDA with the paper's settings: SYNTHIA-Seq images (12 classes) to Cityscapes-Seq (11), 53.0
# mIoU there.
_base_ = [
    '../_base_/methods/i2vda_deeplabv2-r101.py',
    '../_base_/datasets/synthia2city_image2video.py',
    '../_base_/default_runtime.py',
]
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=12))))
