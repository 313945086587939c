# A small RAFT that learns the flow of DIS on MiniDrive's VIPER.
_base_ = ['./flownets_miniviper.py', '../_base_/raft_small.py']
model = dict(flow_net=dict(_delete_=True, **_base_.raft))
# RAFT's rate and clipping; it needs fewer iterations than FlowNetS and longer ones.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=4e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=1.))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0., begin=0, end=600, by_epoch=False)]
train_cfg = dict(max_iters=600)
