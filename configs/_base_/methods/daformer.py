# DAFormer (Hoyer et al., CVPR 2022): network, method and schedule, with the values of section 4.1
# and, where the paper is silent, of the release: 15 and 120 rows without pseudo-labels, one draw of
# whether to augment for a batch.
_base_ = '../models/daformer-mitb5.py'
model = dict(
    type='DAFormer',
    feature_distance=dict(
        type='FeatureDistance',
        # Light, sign, person, rider, car, truck, bus, train, motorcycle, bicycle.
        classes=(6, 7, 11, 12, 13, 14, 15, 16, 17, 18),
        loss_weight=0.005,
        min_ratio=0.75,
    ),
    confidence_threshold=0.968,
    ignore_top=15,
    ignore_bottom=120,
    augment=dict(type='StrongAugment', per_batch=True),
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.999)]
# AdamW, encoder 6e-5, decoders 6e-4, weight decay 0.01, 40k iterations.
# Warm-up over 1500 iterations, times a poly of power 1 that counts from the first iteration: as in
# the release. (mmengine's LinearLR arrives one iteration before its end.)
optim_wrapper = dict(
    type='OptimWrapper',
    # Keys that begin with ^. name a part of the method: MiT has its own `projection`.
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=1e-2),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            # As published the layer norms of MiT do not decay; of mmseg's MiT those behind the
            # stages have numbers for names.
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
