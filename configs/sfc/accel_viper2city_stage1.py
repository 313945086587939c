# SFC, VIPER to Cityscapes-Seq: stage one trains the two branches of Accel, each separately.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/datasets/viper2city_own-flow.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1)))
model = dict(
    type='SFC',
    # All classes of equation 5, including those that occur nowhere, as released.
    sfm=dict(type='SFM', flow_net=dict(type='FlowNetS'), empty_classes='add'),
    # Stage one; 0.001 in stage two.
    flow_weight=0.005,
    softmax_scale=100.0,
    auxiliary_weight=0.1,
    running_statistics='all',
    flow=dict(
        type='FrozenFlowNet',
        flow_net=dict(type='FlowNetS'),
        full_size=False,
        checkpoint='work_dirs/sfc/accel_viper2city_source-stage2/iter_80000.pth',
    ),
    sfm_checkpoint='work_dirs/sfc/sfm_viper/iter_80000.pth',
    student=dict(stage=1),
)
# SGD, poly 0.9 over 120k of all groups, the classifiers at ten times the rate.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0),
            '^.student.reference_segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.reference_segmentor.auxiliary_head': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=120000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=120000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
