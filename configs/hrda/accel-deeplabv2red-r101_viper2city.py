# HRDA with DeepLab-v2 in Accel, VIPER to Cityscapes-Seq, 15 classes. UnifiedVideoDA (Kareer et al.,
# TMLR 2024): the rate of all parts of the network is the same, all decay. Scores of the previous
# frame are carried along the flow and fused with those of the frame; classes are pasted into both
# alike.
_base_ = [
    '../_base_/models/hrda-deeplabv2red-r101.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/viper2city_1024.py',
    '../_base_/default_runtime.py',
]
# Two frames of each clip, with flow.
train_dataloader = dict(
    dataset=dict(
        rare_class_sampling={{_base_.rare_class_sampling}},
        source=dict(clip_length=2, pipeline={{_base_.source_clip_pipeline}}),
        target=dict(clip_length=2, pipeline={{_base_.target_clip_pipeline}}),
    )
)
val_dataloader = dict(dataset=dict(clip_length=2, pipeline={{_base_.test_clip_pipeline}}))
test_dataloader = val_dataloader
model = dict(
    _base_.method,
    feature_distance=dict(_base_.method.feature_distance, classes=(4, 5, 9, 10, 11, 12, 13, 14)),
    student=dict(
        type='Accel',
        segmentor=dict(decode_head=dict(num_classes=15), attention_head=dict(num_classes=15)),
    ),
)
optim_wrapper = dict(paramwise_cfg=None)
