# SFM made of the small RAFT.
_base_ = [
    '../_base_/datasets/miniviper2minicity_own-flow.py',
    '../_base_/raft_small.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None, source=dict(label_clips=True)))
flownet = 'work_dirs/sfc/raft_miniviper/iter_600.pth'
model = dict(
    type='SFMPretraining',
    num_classes=15,
    sfm=dict(type='SFM', flow_net=dict(checkpoint=flownet, **_base_.raft)),
    flow=dict(type='FrozenFlowNet', flow_net=_base_.raft, checkpoint=flownet, full_size=False),
    data_preprocessor=dict(type='DomainDataPreprocessor'),
)
optim_wrapper = _base_.raft_optim_wrapper
# All classes of a batch are 30 pairs of frames: 20 times the cost of FlowNetS.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100)
# There is no segmentation to validate.
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(checkpoint=dict(save_best=None))
