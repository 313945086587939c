# SFC, SYNTHIA-Seq to Cityscapes-Seq: stage two freezes the backbones of stage one and trains
# classifiers, flow branch and fusion. 52.5 mIoU in the paper.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/datasets/synthia2city_own-flow.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=3)))
heads = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
model = dict(
    type='SFC',
    # All classes of equation 5, including those that occur nowhere, as released.
    sfm=dict(type='SFM', flow_net=dict(type='FlowNetS'), empty_classes='add'),
    flow_weight=0.001,
    softmax_scale=100.0,
    auxiliary_weight=0.1,
    running_statistics='all',
    flow=dict(
        type='FrozenFlowNet',
        flow_net=dict(type='FlowNetS'),
        full_size=False,
        checkpoint='work_dirs/sfc/accel_synthia2city_source-stage2/iter_80000.pth',
    ),
    source_checkpoint='work_dirs/sfc/accel_synthia2city_stage1/iter_120000.pth',
    sfm_checkpoint='work_dirs/sfc/sfm_synthia/iter_80000.pth',
    student=dict(stage=2, segmentor=heads, reference_segmentor=heads),
)
# One rate for classifiers, flow branch and fusion, constant but for 5e-5 in the steps 0 to 999.
# (`end` is one more: mmengine's ConstantLR goes back in the last of its steps.)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=5e-4, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = [dict(type='ConstantLR', factor=0.1, begin=0, end=1001, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=160000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
