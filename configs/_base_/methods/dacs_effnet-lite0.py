# DACS's small recipe: the paper's but for rate, iterations and the teacher's momentum.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='DACS',
    norm_eval=True,
    confidence_threshold=0.968,
    augment=dict(type='StrongAugment'),
)
# Labels of the mix refined by the video (UnifiedVideoDA): each pixel has the more confident label
# of the frame and of the previous one. Rows as released for frames that are not 1024 high; columns:
# about a tenth of a crop. Until iteration 10 nothing is mixed: 1500 of 40k as published.
refinement = dict(
    type='LabelRefinement',
    mode='max-confidence',
    carry_rows=0.7,
    fill_rows=0.7,
    fill_columns=25,
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.99)]
refined_hooks = [*custom_hooks, dict(type='SelfTrainingHook', start=10)]
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=250, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=250, val_interval=250)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
