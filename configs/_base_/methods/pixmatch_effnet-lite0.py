# PixMatch's small recipe.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='PixMatch',
    augmentation_weight=0.1,
    fourier_weight=0.0,
    cutmix_weight=0.0,
    confidence_threshold=None,
    auxiliary_weight=0.1,
    augment=dict(type='StrongAugment'),
    crop=dict(size=(128, 128), scale=(0.2, 1.0)),
    beta=0.01,
    window='symmetric',
    norm_eval=True,
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
