# SFM made of the small RAFT.
_base_ = ['./sfm_miniviper.py', '../_base_/raft_small.py']
flownet = 'work_dirs/sfc/raft_miniviper/iter_600.pth'
model = dict(
    sfm=dict(flow_net=dict(_delete_=True, checkpoint=flownet, **_base_.raft)),
    flow=dict(flow_net=dict(_delete_=True, **_base_.raft), checkpoint=flownet),
)
optim_wrapper = dict(_delete_=True, **_base_.raft_optim_wrapper)
# All classes of a batch are 30 pairs of frames: 20 times what FlowNetS costs.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(max_iters=100)
