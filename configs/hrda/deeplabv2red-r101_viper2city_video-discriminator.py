# HRDA with DeepLab-v2, VIPER to Cityscapes-Seq, 15 classes, with a discriminator of two
# frames (UnifiedVideoDA, Kareer et al., TMLR 2024, `--adv-scale 0.1`). It goes with MIC and with
# DAFormer's decoder alike.
_base_ = [
    '../_base_/models/hrda-deeplabv2red-r101.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/viper2city_1024.py',
    '../_base_/default_runtime.py',
]
# Clips of two frames without flow.
train_dataloader = dict(
    dataset=dict(
        rare_class_sampling={{_base_.rare_class_sampling}},
        source=dict(clip_length=2),
        target=dict(clip_length=2),
    )
)
model = dict(
    _base_.method,
    discriminator=_base_.discriminator,
    feature_distance=dict(_base_.method.feature_distance, classes=(4, 5, 9, 10, 11, 12, 13, 14)),
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=15), attention_head=dict(num_classes=15)),
    ),
)
optim_wrapper = dict(_base_.player_wrappers, _delete_=True)
param_scheduler = dict(_base_.player_schedules, _delete_=True)
