# MIC on DAFormer, GTAV to Cityscapes, 19 classes: DAFormer's network, crops and pseudo-labels
# without the upper 15 and lower 120 rows; blocks of 32 pixels for crops of 512x512.
_base_ = [
    '../_base_/models/daformer-mitb5.py',
    '../_base_/datasets/gta2city_512.py',
    '../_base_/schedules/sepico_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
model = dict(
    type='MIC',
    confidence_threshold=0.968,
    ignore_top=15,
    ignore_bottom=120,
    # Things: light, sign, and all from person on.
    feature_distance=dict(
        type='FeatureDistance',
        classes=(6, 7, 11, 12, 13, 14, 15, 16, 17, 18),
        loss_weight=0.005,
        min_ratio=0.75,
    ),
    augment=dict(type='StrongAugment', per_batch=True),
    masked=dict(
        type='MaskedConsistency',
        block_size=32,
        mask_ratio=0.7,
        mode='target',
        augment=dict(type='StrongAugment', per_batch=True),
        loss_weight=1.0,
    ),
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.999)]
