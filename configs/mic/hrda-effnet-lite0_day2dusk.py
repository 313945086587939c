# MIC on HRDA.
_base_ = [
    '../_base_/methods/hrda_effnet-lite0.py',
    '../_base_/datasets/day2dusk_twice.py',
    '../_base_/default_runtime.py',
]
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
    # Sign symbol, car, pedestrian, bicyclist.
    feature_distance=dict(classes=(6, 8, 9, 10)),
    student=dict(
        segmentor=dict(
            decode_head=dict(num_classes=11),
            attention_head=dict(num_classes=11),
            detail_size=(192, 256),
        )
    ),
    source_checkpoint='work_dirs/source_only/effnet-lite0_day2dusk/iter_600.pth',
)
