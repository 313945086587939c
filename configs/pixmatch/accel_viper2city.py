# PixMatch on Accel, VIPER to Cityscapes-Seq: 46.7 mIoU in STPL's table 1, 47.4 in SFC's; neither
# says which perturbation.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/pixmatch.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view of the pipeline: the method makes its own.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
model = _base_.method
