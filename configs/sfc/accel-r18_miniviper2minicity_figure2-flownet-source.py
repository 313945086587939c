# Figure 2b of SFC, source-only learning of the FlowNet: the flow branch, and the fusion behind it,
# learn on the labels of the source; the SegNets are fixed, those of stage one of the oracle.
_base_ = './accel-r18_miniviper2minicity_source-stage2.py'
optim_wrapper = dict(
    constructor='AnchoredOptimWrapperConstructor',
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor': dict(lr_mult=0.0),
            '^.student.reference_segmentor': dict(lr_mult=0.0),
        }
    ),
)
model = dict(
    source_checkpoint='work_dirs/oracle/accel-sfc-r18_miniviper2minicity_stage1/iter_800.pth'
)
