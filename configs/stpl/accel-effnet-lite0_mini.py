# STPL, source-free.
_base_ = [
    '../_base_/methods/stpl_effnet-lite0.py',
    '../_base_/datasets/mini.py',
    '../_base_/default_runtime.py',
]
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None))
model = dict(source_checkpoint='work_dirs/source_only/effnet-lite0_mini/iter_600.pth')
