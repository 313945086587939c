# UR, source-free, on Accel, SYNTHIA-Seq to Cityscapes-Seq: 41.9 mIoU in
# STPL's table 2, from the source-only model.
# Before it tools/generate_pseudo_labels.py.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/ur.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
plain_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
labels = dict(type='LoadClipAnnotations')
labelled_pipeline = [*plain_pipeline[:1], labels, *plain_pipeline[1:]]
# Source-free: this run has no source data set.
train_dataloader = dict(
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/ur_accel_synthia2city',
            pipeline=labelled_pipeline,
        ),
    )
)
# To generate pseudo-labels: each frame as the first of a video.
prediction_pipeline = [
    t for t in _base_.target_pipeline if t['type'] not in ('LoadFlow', 'TPSAugment')
]
pseudo_label_generator = dict(pipeline=prediction_pipeline)
model = dict(
    _base_.method,
    # No loss uses a second classifier.
    student=dict(segmentor=dict(auxiliary_head=None, decode_head=dict(num_classes=12))),
    source_checkpoint='work_dirs/source_only/accel_synthia2city/iter_40000.pth',
)
