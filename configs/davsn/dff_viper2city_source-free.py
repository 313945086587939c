# DA-VSN, source-free, with deep feature flow.
_base_ = [
    '../_base_/models/dff_deeplabv2-r101.py',
    '../_base_/methods/davsn_source-free.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None, target=dict(pipeline=target_pipeline)))
model = dict(_base_.method, source_checkpoint='work_dirs/source_only/dff_viper2city/iter_80000.pth')
