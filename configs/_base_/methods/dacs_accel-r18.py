# DACS for the small configs: from a source-only model, with a teacher that follows faster.
_base_ = '../models/accel_deeplabv2-r18.py'
model = dict(
    type='DACS',
    confidence_threshold=0.968,
    augment=dict(type='StrongAugment'),
    # In 200 iterations statistics of both domains fit neither.
    running_statistics='mixed',
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.99)]
