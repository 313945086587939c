# DACS with the settings of SePiCo's base (section 3.1.2).
_base_ = '../models/daformer-mitb5.py'
model = dict(
    type='DACS',
    confidence_threshold=0.968,
    ignore_top=15,
    ignore_bottom=120,
    target_crop=dict(crop_size=(640, 640), cat_max_ratio=0.75),
    augment=dict(type='StrongAugment'))
custom_hooks = [dict(type='EMATeacherHook', momentum=0.999)]
