# TPS with deep feature flow, from that network's own source-only model.
_base_ = [
    '../_base_/methods/tps_effnet-lite0.py',
    '../_base_/datasets/mini.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
model = dict(
    student=dict(type='DFF'),
    source_checkpoint='work_dirs/source_only/dff-effnet-lite0_mini/iter_600.pth',
)
