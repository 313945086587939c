# HRDA with DeepLab-v2, VIPER to Cityscapes-Seq, 15 classes, with a discriminator of two frames and
# pseudo-labels of the mix refined by the video (UnifiedVideoDA, Kareer et al., TMLR 2024,
# `--adv-scale 0.1 --consis-filter True`). Its parts by themselves are
# deeplabv2red-r101_viper2city_video-discriminator.py and deeplabv2red-r101_viper2city_refined.py. A
# pixel has the carried label where that of the frame is the same; the other refinements:
# ../mic/hrda-daformer-mitb5_viper2city_refined.py. The mix is learnt from the first iteration on:
# this script of the release, unlike all others, has `--l-warp-begin=0`.
_base_ = [
    '../_base_/models/hrda-deeplabv2red-r101.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/viper2city_1024.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        rare_class_sampling={{_base_.rare_class_sampling}},
        source=dict(clip_length=2),
        target=dict(clip_length=2, pipeline={{_base_.target_clip_pipeline}}),
    )
)
model = dict(
    _base_.method,
    discriminator=_base_.discriminator,
    refinement=dict(
        _base_.refinement,
        mode='consistency',
        # For mode='rare': bicycle, motorcycle, sign, light, bus, fence, person.
        rare_classes=(14, 13, 5, 4, 12, 3, 9),
    ),
    feature_distance=dict(_base_.method.feature_distance, classes=(4, 5, 9, 10, 11, 12, 13, 14)),
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=15), attention_head=dict(num_classes=15)),
    ),
)
optim_wrapper = dict(_base_.player_wrappers, _delete_=True)
param_scheduler = dict(_base_.player_schedules, _delete_=True)
