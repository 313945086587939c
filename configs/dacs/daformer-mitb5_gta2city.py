# DAFormer, GTAV to Cityscapes, 19 classes, without its feature distance: 68.3 mIoU with it.
_base_ = [
    '../_base_/methods/dacs_daformer-mitb5.py',
    '../_base_/datasets/gta2city_512.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
