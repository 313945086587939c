# DAFormer trained on Cityscapes, scored on Dark Zurich by night: source-only of SePiCo's setting.
_base_ = [
    '../_base_/models/daformer-mitb5.py',
    '../_base_/datasets/city2darkzurich.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
# As released for Dark Zurich: 60k iterations.
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False),
    dict(type='GroupPolyLR', power=1.0, eta_min=0.0, begin=0, end=60000, by_epoch=False),
]
train_cfg = dict(max_iters=60000)
