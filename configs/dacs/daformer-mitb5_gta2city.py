# DAFormer, GTAV to Cityscapes, 19 classes, without its feature distance: 68.3 mIoU with it.
# The target is cropped in the pipeline.
_base_ = [
    '../_base_/models/daformer-mitb5.py',
    '../_base_/datasets/gta2city_512.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
model = dict(
    type='DACS',
    confidence_threshold=0.968,
    ignore_top=15,
    ignore_bottom=120,
    augment=dict(type='StrongAugment', per_batch=True),
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.999)]
