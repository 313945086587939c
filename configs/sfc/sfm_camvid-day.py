# A small SFM on the labels of CamVid by day. The FlowNet is flownets_camvid-day.py: the source
# model's flow branch unlearns the flow (README.md).
_base_ = [
    '../_base_/methods/sfm.py',
    '../_base_/datasets/camvid_day2dusk_own-flow.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None, source=dict(label_clips=True)))
flownet = 'work_dirs/sfc/flownets_camvid-day/iter_1500.pth'
model = dict(
    num_classes=11,
    sfm=dict(flow_net=dict(base_channels=12, checkpoint=flownet)),
    flow=dict(flow_net=dict(base_channels=12), checkpoint=flownet),
)
# There is no segmentation to validate.
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(checkpoint=dict(save_best=None))
# In minutes on two cores: ten times the rate of Dosovitskiy et al.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, weight_decay=4e-4))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=600, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=600)
