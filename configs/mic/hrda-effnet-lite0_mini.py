# MIC on HRDA.
_base_ = [
    '../_base_/methods/hrda_effnet-lite0.py',
    '../_base_/datasets/mini_twice.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='MIC',
    masked=_base_.masked,
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini/iter_600.pth',
)
