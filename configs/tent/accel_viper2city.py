# TENT, source-free, on Accel, VIPER to Cityscapes-Seq,
# from the source-only model; no paper has it.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/tent.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None, target=dict(pipeline=target_pipeline)))
model = dict(
    _base_.method,
    # No loss uses a second classifier.
    student=dict(segmentor=dict(auxiliary_head=None)),
    source_checkpoint='work_dirs/source_only/accel_viper2city/iter_40000.pth',
)
