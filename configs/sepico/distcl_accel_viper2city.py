# SePiCo (DistCL) on video: Accel, VIPER to Cityscapes-Seq. Not in the paper.
# The values are those of methods/sepico_deeplabv2-r101.py.
_base_ = [
    '../_base_/models/accel_deeplabv2-r101.py',
    '../_base_/datasets/viper2city_mix.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
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
    student=dict(
        segmentor=dict(
            decode_head=dict(loss_decode=dict(avg_non_ignore=False)),
            auxiliary_head=dict(loss_decode=dict(avg_non_ignore=False)),
        )
    ),
)
custom_hooks = [
    dict(type='EMATeacherHook', momentum=0.999),
    dict(type='OnlineStatisticsHook', contrast_start=3000),
]
# The projection head gets no gradient before the contrast starts.
find_unused_parameters = True
# SePiCo, section 4.1.2: AdamW, encoder 6e-5, decoders 6e-4, weight decay 0.01, 40k iterations.
# Warm-up over 1500 iterations, times a poly of power 1 that counts from the first iteration: as in
# DAFormer, which the paper follows. (mmengine's LinearLR arrives one iteration before its end.)
optim_wrapper = dict(
    type='OptimWrapper',
    # Keys that begin with ^. name a part of the method: MiT has its own `projection`.
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
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
