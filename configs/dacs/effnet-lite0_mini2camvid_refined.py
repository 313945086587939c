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
    refinement=dict(_base_.refinement, only_against_common=True),
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini2camvid/iter_600.pth',
)
custom_hooks = _base_.refined_hooks
