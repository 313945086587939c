# CBST on Accel, VIPER to Cityscapes-Seq: 41.7 mIoU in I2VDA's table 1.
# tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/methods/cbst.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
plain_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
labels = dict(type='LoadClipAnnotations')
labelled_pipeline = [*plain_pipeline[:1], labels, *plain_pipeline[1:]]
# To generate pseudo-labels: each frame as the first of a video.
prediction_pipeline = [
    t for t in _base_.target_pipeline if t['type'] not in ('LoadFlow', 'TPSAugment')
]
train_dataloader = dict(
    dataset=dict(
        source_portion=0.03,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/cbst_accel_viper2city',
            pipeline=labelled_pipeline,
        ),
    )
)
# 13367 source and 2975 target frames.
rounds = [
    {**own, 'model.source_weight': 13367 * own['train_dataloader.dataset.source_portion'] / 2975}
    for own in _base_.rounds
]
pseudo_label_generator = dict(pipeline=prediction_pipeline)
model = dict(
    _base_.method,
    source_weight=rounds[0]['model.source_weight'],
    # No loss uses a second classifier.
    student=dict(segmentor=dict(auxiliary_head=None)),
    source_checkpoint='work_dirs/source_only/accel_viper2city/iter_40000.pth',
)
