# HRDA's small recipe: that of DAFormer at twice the resolution, of which the context has half.
# Details have half of the sides of a crop, here MiniDrive's. Sizes are (height, width).
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='DAFormer',
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
    student=dict(
        segmentor=dict(
            type='HRDA',
            detail_size=(128, 256),
            detail_weight=0.1,
            output_stride=4,
            attention_head=dict(
                type='SegformerHead',
                in_channels=[24, 40, 112, 320],
                in_index=[0, 1, 2, 3],
                channels=128,
                dropout_ratio=0.1,
                num_classes=15,
                norm_cfg=dict(type='BN', requires_grad=True),
                align_corners=False,
            ),
        )
    ),
)
# For MIC, as mic_effnet-lite0.py has it, at twice the resolution.
masked = dict(
    type='MaskedConsistency',
    block_size=32,
    mask_ratio=0.7,
    mode='target',
    augment=dict(type='StrongAugment'),
    loss_weight=1.0,
)
# Labels of the mix refined by the video (UnifiedVideoDA): each pixel has the more confident label
# of the frame and of the previous one. Rows as released for frames that are not 1024 high; columns:
# about a tenth of a crop. Until iteration 10 nothing is mixed: 1500 of 40k as published.
refinement = dict(
    type='LabelRefinement',
    mode='max-confidence',
    carry_rows=0.7,
    fill_rows=0.7,
    fill_columns=50,
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.99)]
refined_hooks = [*custom_hooks, dict(type='SelfTrainingHook', start=10)]
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=250, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=250, val_interval=250)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
