# CMOM with the settings of its release: SYNTHIA-Seq to Cityscapes-Seq, 56.3 mIoU in the paper.
# Before it tools/generate_pseudo_labels.py; tools/run_phases.py runs DA-VSN, that step and this
# training.
_base_ = [
    '../_base_/models/accel_deeplabv2-r101.py',
    '../_base_/methods/cmom.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        # Of both frames.
        source=dict(label_clips=True),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/cmom_accel_synthia2city',
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
    student=dict(
        propagation='splat',
        segmentor=dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12)),
    ),
    alignment=dict(
        _base_.method.alignment,
        # Road, sidewalk, building, fence, vegetation, sky.
        background=(0, 1, 2, 3, 7, 8),
        # Pole, light, sign, person, rider, car.
        foreground=(4, 5, 6, 9, 10, 11),
    ),
    source_checkpoint='work_dirs/davsn/accel_synthia2city/iter_120000.pth',
)
