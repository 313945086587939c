# CMOM with the settings of its release: VIPER to Cityscapes-Seq, 53.8 mIoU in the paper.
# Before it tools/generate_pseudo_labels.py; tools/run_phases.py runs DA-VSN, that step and this
# training.
_base_ = [
    '../_base_/models/accel_deeplabv2-r101.py',
    '../_base_/methods/cmom.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        # Of both frames.
        source=dict(label_clips=True),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/cmom_accel_viper2city',
            pipeline=_base_.target_labelled_pipeline,
        ),
    )
)
pseudo_label_generator = dict(
    pipeline=[t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
)
model = dict(
    _base_.method,
    # Scores are propagated by nearest forward splatting.
    student=dict(propagation='splat'),
    alignment=dict(
        _base_.method.alignment,
        # Road, sidewalk, building, fence, vegetation, terrain, sky.
        background=(0, 1, 2, 3, 6, 7, 8),
        # Light, sign, person and all that drives.
        foreground=(4, 5, 9, 10, 11, 12, 13, 14),
    ),
    source_checkpoint='work_dirs/davsn/accel_viper2city/iter_120000.pth',
)
