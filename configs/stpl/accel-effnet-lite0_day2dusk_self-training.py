# Vanilla self-training (table 3).
_base_ = [
    '../_base_/methods/self-training_effnet-lite0.py',
    '../_base_/datasets/day2dusk.py',
    '../_base_/default_runtime.py',
]
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None))
model = dict(
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_day2dusk/iter_600.pth',
)
