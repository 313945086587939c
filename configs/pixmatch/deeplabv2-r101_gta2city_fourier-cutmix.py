# PixMatch with the perturbations "Fourier" and "CutMix" of its release, GTAV to Cityscapes.
_base_ = './deeplabv2-r101_gta2city.py'
source_pipeline = [
    *_base_.source_pipeline[:-2],
    # These perturbations need one size.
    dict(type='ClipCrop', crop_size=(640, 1280)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
train_dataloader = dict(dataset=dict(source=dict(pipeline=source_pipeline)))
model = dict(augmentation_weight=0.0, fourier_weight=0.1, cutmix_weight=0.1)
