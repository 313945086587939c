# Source-only on CamVid's day sequences, frame by frame: minutes on two cores.
_base_ = [
    '../_base_/models/deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_frames.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1), target=None))
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=11))))
