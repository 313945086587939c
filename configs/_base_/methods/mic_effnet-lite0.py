# MIC's small recipe: that of DAFormer with masked target images. Blocks are a sixteenth of a crop's
# longer side, as published for square ones.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='MIC',
    norm_eval=True,
    confidence_threshold=0.968,
    # Things of VIPER's 15 classes.
    feature_distance=dict(
        type='FeatureDistance',
        classes=(4, 5, 9, 10, 11, 12, 13, 14),
        loss_weight=0.005,
        min_ratio=0.75,
    ),
    augment=dict(type='StrongAugment'),
    masked=dict(
        type='MaskedConsistency',
        block_size=16,
        mask_ratio=0.7,
        mode='target',
        augment=dict(type='StrongAugment'),
        loss_weight=1.0,
    ),
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.99)]
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=250, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=250, val_interval=250)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
