# DAFormer trained on GTAV, scored on Cityscapes: source-only of SePiCo's setting.
_base_ = [
    '../_base_/models/daformer-mitb5.py',
    '../_base_/datasets/gta2city.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
