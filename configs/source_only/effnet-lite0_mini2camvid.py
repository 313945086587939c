# Source-only on the benchmark "mini2camvid": minutes on one core.
_base_ = [
    '../_base_/models/effnet-lite0.py',
    '../_base_/datasets/mini2camvid.py',
    '../_base_/schedules/lite_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4, dataset=dict(target=None, source=dict(clip_length=1)))
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=11))))
