# Figure 2a of SFC, source-only learning of the SegNet: networks that stage one has trained on the
# labels of the source, joined by a fusion that learns on them; the flow branch keeps its weights.
_base_ = './accel_viper2city_source-stage2.py'
optim_wrapper = dict(
    constructor='AnchoredOptimWrapperConstructor',
    paramwise_cfg=dict(custom_keys={'^.student.flow_net': dict(lr_mult=0.0)}),
)
# Frozen parts keep their statistics too.
fixed = dict(backbone=dict(norm_eval=True))
model = dict(
    source_checkpoint='work_dirs/sfc/accel_viper2city_source-stage1/iter_80000.pth',
    student=dict(segmentor=fixed, reference_segmentor=fixed),
)
