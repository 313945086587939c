# HRDA with DeepLab-v2 in Accel, SYNTHIA-Seq to Cityscapes-Seq, 11 classes, with consistent mixing
# and a discriminator of two frames (UnifiedVideoDA, Kareer et al., TMLR 2024, `--accel True
# --adv-scale 0.1`). Its parts by themselves are
# accel-deeplabv2red-r101_synthia2city_consistent-mixing.py and
# deeplabv2red-r101_synthia2city_video-discriminator.py.
_base_ = [
    '../_base_/models/hrda-deeplabv2red-r101.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/synthia2city_1024.py',
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
    augment=dict(_base_.method.augment, per_frame=True),
    discriminator=dict(
        type='VideoDiscriminator',
        adversarial_weight=0.001,
        scale=0.1,
        resolution=0.5,
        gan_loss=dict(type='DomainGANLoss', kind='lsgan', source_label=0),
    ),
    feature_distance=dict(_base_.method.feature_distance, classes=(5, 6, 9, 10, 11)),
    student=dict(
        type='Accel',
        propagation='truncate',
        carry_rows=840 / 1024,
        segmentor=dict(decode_head=dict(num_classes=12), attention_head=dict(num_classes=12)),
    ),
)
# The student at one rate in all parts, all of which decay; the discriminator as AdaptSegNet's.
optim_wrapper = dict(
    _delete_=True,
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    ),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
param_scheduler = dict(
    _delete_=True,
    student=[
        dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False),
        dict(type='GroupPolyLR', power=1.0, eta_min=0.0, begin=0, end=40000, by_epoch=False),
    ],
    discriminator=[
        dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)
    ],
)
