# Source-only on the benchmark "mini" with deep feature flow, which warps the previous frame's
# features along the flow of the clip.
_base_ = [
    '../_base_/models/effnet-lite0.py',
    '../_base_/datasets/mini.py',
    '../_base_/schedules/lite_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4, dataset=dict(target=None))
model = dict(student=dict(type='DFF', padding_mode='border'))
