# MIC on HRDA with DeepLab-v2 in Accel, VIPER to Cityscapes-Seq, 15 classes, with consistent mixing,
# a discriminator of two frames and pseudo-labels of the mix refined by the video (UnifiedVideoDA,
# Kareer et al., TMLR 2024, in its scripts only without masked images). Its parts by themselves are
# ../hrda/accel-deeplabv2red-r101_viper2city_consistent-mixing.py,
# ../hrda/deeplabv2red-r101_viper2city_video-discriminator.py and
# ../hrda/deeplabv2red-r101_viper2city_refined.py. A pixel has the carried label where that of the
# frame is the same; the other refinements: hrda-daformer-mitb5_viper2city_refined.py.
_base_ = [
    '../_base_/models/hrda-deeplabv2red-r101.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/viper2city_1024.py',
    '../_base_/default_runtime.py',
]
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
    type='MIC',
    masked=_base_.masked,
    augment=dict(_base_.method.augment, per_frame=True),
    discriminator=_base_.discriminator,
    refinement=dict(
        _base_.refinement,
        mode='consistency',
        # For mode='rare': bicycle, motorcycle, sign, light, bus, fence, person.
        rare_classes=(14, 13, 5, 4, 12, 3, 9),
    ),
    feature_distance=dict(_base_.method.feature_distance, classes=(4, 5, 9, 10, 11, 12, 13, 14)),
    student=dict(
        type='Accel',
        propagation='truncate',
        carry_rows=840 / 1024,
        segmentor=dict(decode_head=dict(num_classes=15), attention_head=dict(num_classes=15)),
    ),
)
optim_wrapper = dict(_base_.player_wrappers, _delete_=True)
param_scheduler = dict(_base_.player_schedules, _delete_=True)
custom_hooks = _base_.refined_hooks
