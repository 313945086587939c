# DAFormer trained on Cityscapes, scored on Dark Zurich by night: source-only of SePiCo's setting.
_base_ = [
    '../_base_/models/daformer-mitb5.py',
    '../_base_/datasets/city2darkzurich.py',
    '../_base_/schedules/sepico_60k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
