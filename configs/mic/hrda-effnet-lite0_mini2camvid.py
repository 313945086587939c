# MIC on HRDA.
_base_ = [
    '../_base_/methods/hrda_effnet-lite0.py',
    '../_base_/datasets/mini2camvid_twice.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='MIC',
    masked=_base_.masked,
    # Sign symbol, car, pedestrian, bicyclist.
    feature_distance=dict(classes=(6, 8, 9, 10)),
    student=dict(
        segmentor=dict(
            decode_head=dict(num_classes=11),
            attention_head=dict(num_classes=11),
            detail_size=(192, 256),
        )
    ),
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini2camvid/iter_600.pth',
)
