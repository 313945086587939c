# Source-only on SYNTHIA-Seq: stage two freezes the backbones of stage one and trains
# classifiers, flow branch and fusion on labelled clips of the source.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r101.py',
    '../_base_/datasets/synthia2city_own-flow.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
heads = dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
model = dict(
    source_checkpoint='work_dirs/sfc/accel_synthia2city_source-stage1/iter_80000.pth',
    student=dict(stage=2, segmentor=heads, reference_segmentor=heads),
)
# One rate for classifiers, flow branch and fusion, constant but for a
# thousand steps at a tenth of it. The release sets the rate of the source model after a step: step
# 0 has 5e-4, the steps 1 to 1000 have 5e-5. (`end` is one more: mmengine's ConstantLR goes back in
# the last of its steps.)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=5e-4, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = [dict(type='ConstantLR', factor=0.1, begin=1, end=1002, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
