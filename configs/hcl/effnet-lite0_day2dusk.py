# HCL, source-free.
_base_ = [
    '../_base_/methods/hcl_effnet-lite0.py',
    '../_base_/datasets/day2dusk.py',
    '../_base_/default_runtime.py',
]
# The augmented view in place of the distortion of both.
labelled_pipeline = [
    dict(type='CrossFrameAugment') if t['type'] == 'ClipPhotoMetricDistortion' else t
    for t in _base_.pseudo_labelled_pipeline
]
# Source-free: this run has no source data set.
train_dataloader = dict(
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/hcl_effnet-lite0_day2dusk',
            clip_length=1,
            pipeline=labelled_pipeline,
        ),
    )
)
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
model = dict(
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_day2dusk/iter_600.pth',
)
