# Source-only on MiniDrive: stage two freezes the backbones of stage one and trains
# classifiers, flow branch and fusion on labelled clips of the source.
_base_ = [
    '../_base_/models/accel-sfc_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minicity_own-flow.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
# The frozen backbones keep their statistics too; those of the full-size nets move, as released.
nets = dict(backbone=dict(norm_eval=True))
model = dict(
    source_checkpoint='work_dirs/sfc/accel-r18_miniviper2minicity_source-stage1/iter_800.pth',
    student=dict(stage=2, segmentor=nets, reference_segmentor=nets),
)
# A network from scratch in minutes: AdamW instead of the papers' SGD, which needs many epochs where
# nothing is pretrained.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=800, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=800, val_interval=800)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
