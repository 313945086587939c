# SePiCo (DistCL), network, method and schedule, with the values of section 4.1.2 and, where the
# paper is silent, of the published results: temperature 100, diagonal covariance, 15 and 120 rows
# without pseudo-labels, the crop labelled again, the source strongly augmented, one draw of whether
# to do so for all views. Layer 4 of the backbone is contrasted. The network is
# models/deeplabv2-r101-v1c.py.
model = dict(
    type='SePiCo',
    contrastive_loss=dict(type='DistCLLoss', temperature=100.0, loss_weight=1.0, reg_weight=1.0),
    statistics=dict(type='ClassStatistics', covariance='diagonal'),
    projection=dict(
        type='ProjectionHead', channels=512, norm_cfg=dict(type='BN', requires_grad=True)
    ),
    contrast_stages=(3,),
    label_ratio=0.75,
    augment_source=True,
    confidence_threshold=0.968,
    ignore_top=15,
    ignore_bottom=120,
    target_crop=dict(crop_size=(640, 640), cat_max_ratio=0.75),
    relabel_crop=True,
    augment=dict(type='StrongAugment', per_batch=True),
    resize_to_input=True,
    data_preprocessor=dict(
        type='DomainDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    student=dict(
        type='PerFrame',
        segmentor=dict(
            type='EncoderDecoder',
            backbone=dict(
                type='ResNetV1c',
                depth=101,
                num_stages=4,
                out_indices=(0, 1, 2, 3),
                dilations=(1, 1, 2, 4),
                strides=(1, 2, 1, 1),
                norm_cfg=dict(type='BN', requires_grad=True),
                norm_eval=False,
                style='pytorch',
                init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c'),
                contract_dilation=True,
            ),
            decode_head=dict(
                type='DeepLabV2Head',
                in_channels=2048,
                in_index=3,
                dilations=(6, 12, 18, 24),
                num_classes=19,
                align_corners=False,
                loss_decode=dict(type='BatchCrossEntropyLoss', avg_non_ignore=False),
            ),
            auxiliary_head=None,
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        ),
    ),
)
custom_hooks = [
    dict(type='EMATeacherHook', momentum=0.999),
    dict(type='OnlineStatisticsHook', contrast_start=3000),
]
# The projection head gets no gradient before the contrast starts.
find_unused_parameters = True
# AdamW, encoder 6e-5, decoders 6e-4, weight decay 0.01, 40k iterations.
# Warm-up over 1500 iterations, times a poly of power 1 that counts from the first iteration: as in
# DAFormer, which the paper follows. (mmengine's LinearLR arrives one iteration before its end.)
optim_wrapper = dict(
    type='OptimWrapper',
    # Keys that begin with ^. name a part of the method: MiT has its own `projection`.
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=1e-2),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0),
            '^.projection': dict(lr_mult=10.0),
            # As published the layer norms of MiT do not decay; of mmseg's MiT those behind the
            # stages have numbers for names. A ResNet has no such names, its batch norms decay.
            '.norm': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.0.2.': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.1.2.': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.2.2.': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.3.2.': dict(decay_mult=0.0),
        }
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False),
    dict(type='GroupPolyLR', power=1.0, eta_min=0.0, begin=0, end=40000, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
