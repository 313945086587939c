# SePiCo (DistCL) with the values of section 4.1.2 and, where the paper is silent, of the published
# results: temperature 100, diagonal covariance, 15 and 120 rows without pseudo-labels, the crop
# labelled anew, the source strongly augmented, one draw of whether to do so for all views.
# All four stages are contrasted, fused (table 8).
_base_ = '../models/daformer-mitb5.py'
model = dict(
    type='SePiCo',
    contrastive_loss=dict(type='DistCLLoss', temperature=100.0, loss_weight=1.0, reg_weight=1.0),
    statistics=dict(type='ClassStatistics', covariance='diagonal'),
    projection=dict(
        type='ProjectionHead',
        hidden_channels=256,
        channels=512,
        norm_cfg=dict(type='BN', requires_grad=True),
    ),
    contrast_stages=(0, 1, 2, 3),
    label_ratio=0.75,
    augment_source=True,
    confidence_threshold=0.968,
    ignore_top=15,
    ignore_bottom=120,
    target_crop=dict(crop_size=(640, 640), cat_max_ratio=0.75),
    relabel_crop=True,
    augment=dict(type='StrongAugment', per_batch=True),
)
custom_hooks = [
    dict(type='EMATeacherHook', momentum=0.999),
    dict(type='OnlineStatisticsHook', contrast_start=3000),
]
# The projection head gets no gradient before the contrast starts.
find_unused_parameters = True
