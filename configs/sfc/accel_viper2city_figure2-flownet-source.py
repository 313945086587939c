# Figure 2b of SFC, source-only learning of the FlowNet: the flow branch, and the fusion behind it,
# learn on the labels of the source; the SegNets are fixed, those of stage one of the oracle.
_base_ = './accel_viper2city_source-stage2.py'
optim_wrapper = dict(
    constructor='AnchoredOptimWrapperConstructor',
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor': dict(lr_mult=0.0),
            '^.student.reference_segmentor': dict(lr_mult=0.0),
        }
    ),
)
# Frozen parts keep their statistics too.
fixed = dict(backbone=dict(norm_eval=True))
model = dict(
    source_checkpoint='work_dirs/oracle/accel-sfc_viper2city_stage1/iter_80000.pth',
    student=dict(segmentor=fixed, reference_segmentor=fixed),
)
