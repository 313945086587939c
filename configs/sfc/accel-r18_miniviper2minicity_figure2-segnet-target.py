# Figure 2a of SFC, target-only learning of the SegNet: networks that stage one has trained on the
# labels of the target, joined by a fusion that learns on them; the flow branch keeps its weights.
_base_ = './accel-r18_miniviper2minicity_source-stage2.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
optim_wrapper = dict(
    constructor='AnchoredOptimWrapperConstructor',
    paramwise_cfg=dict(custom_keys={'^.student.flow_net': dict(lr_mult=0.0)}),
)
model = dict(
    source_checkpoint='work_dirs/oracle/accel-sfc-r18_miniviper2minicity_stage1/iter_800.pth'
)
