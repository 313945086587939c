# MIC on HRDA with pseudo-labels of the mix refined by the video.
_base_ = [
    '../_base_/methods/hrda_effnet-lite0.py',
    '../_base_/datasets/mini_twice.py',
    '../_base_/default_runtime.py',
]
# The mix pastes clips onto clips: those of the source have two frames too, without flow.
flow = dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'))
target_pipeline = [t for t in _base_.mixed_pipeline]
target_pipeline.insert(2, flow)
train_dataloader = dict(
    dataset=dict(source=dict(clip_length=2), target=dict(clip_length=2, pipeline=target_pipeline))
)
model = dict(
    type='MIC',
    # As methods/mic_effnet-lite0.py has it, at twice the resolution.
    masked=dict(
        type='MaskedConsistency',
        block_size=32,
        mask_ratio=0.7,
        mode='target',
        augment=dict(type='StrongAugment'),
        loss_weight=1.0,
    ),
    # Each pixel has the surer label of the frame and of the previous one (UnifiedVideoDA). Rows as
    # released for frames that are not 1024 high; columns: about a tenth of a crop.
    refinement=dict(
        type='LabelRefinement',
        mode='max-confidence',
        carry_rows=0.7,
        fill_rows=0.7,
        fill_columns=50,
        # For mode='rare': bicycle, motorcycle, sign, light, bus, fence, person.
        rare_classes=(14, 13, 5, 4, 12, 3, 9),
    ),
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini/iter_600.pth',
)
# Until iteration 10 nothing is mixed: 1500 of 40k as published.
custom_hooks = [
    dict(type='EMATeacherHook', momentum=0.99),
    dict(type='SelfTrainingHook', start=10),
]
