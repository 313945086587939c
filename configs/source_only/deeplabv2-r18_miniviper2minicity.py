# Source-only on the images of MiniDrive's VIPER, frame by frame: minutes on two cores.
_base_ = [
    '../_base_/models/deeplabv2-r18.py', '../_base_/datasets/miniviper2minicity_image2video.py',
    '../_base_/schedules/small_source.py', '../_base_/default_runtime.py'
]
train_dataloader = dict(dataset=dict(target=None))
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=15))))
