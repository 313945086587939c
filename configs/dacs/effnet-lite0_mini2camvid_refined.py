# DACS with pseudo-labels of the mix refined by the video.
_base_ = [
    '../_base_/methods/dacs_effnet-lite0.py',
    '../_base_/datasets/mini2camvid.py',
    '../_base_/default_runtime.py',
]
# The mix pastes clips onto clips: those of the source have two frames too, without flow.
source_pipeline = [t for t in _base_.source_pipeline if t['type'] != 'LoadFlow']
train_dataloader = dict(
    dataset=dict(
        source=dict(clip_length=2, pipeline=source_pipeline),
        target=dict(clip_length=2, pipeline={{_base_.mixed_pipeline}}),
    )
)
model = dict(
    # Each pixel has the surer label of the frame and of the previous one (UnifiedVideoDA). Rows as
    # released for frames that are not 1024 high; columns: about a tenth of a crop.
    refinement=dict(
        type='LabelRefinement',
        mode='max-confidence',
        carry_rows=0.7,
        fill_rows=0.7,
        fill_columns=25,
    ),
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini2camvid/iter_600.pth',
)
# Until iteration 10 nothing is mixed: 1500 of 40k as published.
custom_hooks = [
    dict(type='EMATeacherHook', momentum=0.99),
    dict(type='SelfTrainingHook', start=10),
]
