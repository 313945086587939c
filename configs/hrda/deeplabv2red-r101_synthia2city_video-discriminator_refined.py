# HRDA with DeepLab-v2, SYNTHIA-Seq to Cityscapes-Seq, 11 classes, with a discriminator of two
# frames and pseudo-labels of the mix refined by the video (UnifiedVideoDA, Kareer et al., TMLR
# 2024, `--adv-scale 0.1 --consis-filter True`). Its parts by themselves are
# deeplabv2red-r101_synthia2city_video-discriminator.py and
# deeplabv2red-r101_synthia2city_refined.py. A pixel has the carried label where that of the frame
# is the same; the other refinements: ../mic/hrda-daformer-mitb5_viper2city_refined.py.
_base_ = [
    '../_base_/models/hrda-deeplabv2red-r101.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/synthia2city_1024.py',
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
        # For mode='rare': pole, rider, sign, light, fence, person.
        rare_classes=(4, 10, 6, 5, 3, 9),
    ),
    feature_distance=dict(_base_.method.feature_distance, classes=(5, 6, 9, 10, 11)),
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=12), attention_head=dict(num_classes=12)),
    ),
)
optim_wrapper = dict(_base_.player_wrappers, _delete_=True)
param_scheduler = dict(_base_.player_schedules, _delete_=True)
custom_hooks = _base_.refined_hooks
