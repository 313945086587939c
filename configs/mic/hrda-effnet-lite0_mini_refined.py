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
    masked=_base_.masked,
    refinement=dict(
        _base_.refinement,
        # For mode='rare': bicycle, motorcycle, sign, light, bus, fence, person.
        rare_classes=(14, 13, 5, 4, 12, 3, 9),
        only_against_common=True,
    ),
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini/iter_600.pth',
)
custom_hooks = _base_.refined_hooks
