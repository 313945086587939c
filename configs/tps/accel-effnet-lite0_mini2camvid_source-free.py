# TPS without its losses of the source, as STPL's tables have it.
_base_ = [
    '../_base_/methods/tps_effnet-lite0.py',
    '../_base_/datasets/mini2camvid.py',
    '../_base_/default_runtime.py',
]
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None, target=dict(clip_length=3)))
model = dict(
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini2camvid/iter_600.pth',
)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-5, momentum=0.9, weight_decay=5e-4),
)
