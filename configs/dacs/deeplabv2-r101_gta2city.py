# DACS with SePiCo's schedule, GTAV to Cityscapes.
# The settings are those of SePiCo's base (section 3.1.2): SePiCo without the contrast, and with a
# plain source, as DACS is published.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/datasets/gta2city.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
model = dict(
    type='DACS',
    confidence_threshold=0.968,
    ignore_top=15,
    ignore_bottom=120,
    target_crop=dict(crop_size=(640, 640), cat_max_ratio=0.75),
    relabel_crop=True,
    augment=dict(type='StrongAugment', per_batch=True),
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.999)]
