# SePiCo (DistCL) for the small configs: from a source-only model, a teacher that follows faster, a
# smaller feature space, and the contrast from iteration 50.
_base_ = '../models/accel_deeplabv2-r18.py'
model = dict(
    type='SePiCo',
    contrastive_loss=dict(type='DistCLLoss', temperature=100.0, loss_weight=1.0, reg_weight=1.0),
    statistics=dict(type='ClassStatistics', covariance='diagonal'),
    projection=dict(type='ProjectionHead', channels=128),
    contrast_stages=(3,),
    label_ratio=0.75,
    confidence_threshold=0.968,
    augment=dict(type='StrongAugment'),
    # In 200 iterations statistics of both domains fit neither.
    running_statistics='mixed',
)
custom_hooks = [
    dict(type='EMATeacherHook', momentum=0.99),
    dict(type='OnlineStatisticsHook', contrast_start=50),
]
# The projection head gets no gradient before the contrast starts.
find_unused_parameters = True
