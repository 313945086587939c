# Source-only on MiniDrive, frame by frame, scored on its Cityscapes-VPS: minutes on two cores.
_base_ = [
    '../_base_/models/deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minivps.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1), target=None))
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=15))))
