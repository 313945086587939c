# HCL, source-free, on Accel, VIPER to Cityscapes-Seq: 41.5 mIoU in
# STPL's table 1, from the source-only model.
# Before it tools/generate_pseudo_labels.py.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/hcl.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
labels = dict(type='LoadClipAnnotations')
labelled_pipeline = [*_base_.target_pipeline[:1], labels, *_base_.target_pipeline[1:]]
# Source-free: this run has no source data set.
train_dataloader = dict(
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/hcl_accel_viper2city', pipeline=labelled_pipeline
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
    source_checkpoint='work_dirs/source_only/accel_viper2city/iter_40000.pth',
)
