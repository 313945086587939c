# DACS as DAFormer (Hoyer et al., CVPR 2022) trains its network, without the feature distance. The
# target is cropped in the pipeline.
_base_ = '../models/daformer-mitb5.py'
model = dict(
    type='DACS',
    confidence_threshold=0.968,
    ignore_top=15,
    ignore_bottom=120,
    augment=dict(type='StrongAugment', per_batch=True),
)
custom_hooks = [dict(type='EMATeacherHook', momentum=0.999)]
