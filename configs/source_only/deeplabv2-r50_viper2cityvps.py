# DeepLab-v2 ResNet-50 frame by frame: source-only of VAT-VST's tables.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/datasets/viper2cityvps.py',
    '../_base_/schedules/source_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1), target=None))
