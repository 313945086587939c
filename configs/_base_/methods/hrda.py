# HRDA and MIC with the values of their releases, for a network of two scales: the method of HRDA is
# DAFormer's. `model = _base_.method` in a config, or, with masked target images,
# `model = dict(_base_.method, type='MIC', masked=_base_.masked)`.
method = dict(
    type='DAFormer',
    confidence_threshold=0.968,
    # Things among the 19 classes of Cityscapes: light, sign, and all from person on.
    feature_distance=dict(
        type='FeatureDistance',
        classes=(6, 7, 11, 12, 13, 14, 15, 16, 17, 18),
        loss_weight=0.005,
        min_ratio=0.75,
    ),
    augment=dict(type='StrongAugment', per_batch=True),
)
# Targets by day. By night and in bad weather: mode='separate', augment=None.
masked = dict(
    type='MaskedConsistency',
    block_size=64,
    mask_ratio=0.7,
    mode='target',
    augment=dict(type='StrongAugment', per_batch=True),
    loss_weight=1.0,
)
# Parts of UnifiedVideoDA (Kareer et al., TMLR 2024) for a method on clips. Its rows are of 1024.
refinement = dict(
    type='LabelRefinement',
    mode='max-confidence',
    carry_rows=840 / 1024,
    fill_rows=800 / 1024,
    fill_columns=100,
    only_against_common=True,  # for mode='rare': of two rare classes that differ none is kept
)
discriminator = dict(
    type='VideoDiscriminator',
    adversarial_weight=0.001,
    scale=0.1,
    resolution=0.5,
    gan_loss=dict(type='DomainGANLoss', kind='lsgan', source_label=0),
)
# With a discriminator: the student at one rate in all parts, all of which decay; the discriminator
# as AdaptSegNet's. In a config with `_delete_=True` for `optim_wrapper` and `param_scheduler`.
player_wrappers = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    ),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
player_schedules = dict(
    student=[
        dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False),
        dict(type='GroupPolyLR', power=1.0, eta_min=0.0, begin=0, end=40000, by_epoch=False),
    ],
    discriminator=[
        dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)
    ],
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.999)]
# With refined labels: until iteration 1500 nothing is mixed.
refined_hooks = [*custom_hooks, dict(type='SelfTrainingHook', start=1500)]
# DAFormer's: AdamW, encoder 6e-5, heads 6e-4, weight decay 0.01, 40k iterations. Warm-up over 1500
# iterations, times a poly of power 1 that counts from the first iteration. (mmengine's LinearLR
# arrives one iteration before its end.)
optim_wrapper = dict(
    type='OptimWrapper',
    # Keys that begin with ^. name a part of the method.
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.segmentor.attention_head': dict(lr_mult=10.0),
            # As published the layer norms of MiT do not decay; of mmseg's MiT those behind the
            # stages have numbers for names. A ResNet has no such names, its batch norms decay.
            '.norm': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.0.2.': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.1.2.': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.2.2.': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.3.2.': dict(decay_mult=0.0),
        }
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False),
    dict(type='GroupPolyLR', power=1.0, eta_min=0.0, begin=0, end=40000, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
