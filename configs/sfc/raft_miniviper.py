# A small RAFT that learns the flow of DIS on MiniDrive's VIPER.
_base_ = ['./flownets_miniviper.py', '../_base_/raft_small.py']
model = dict(flow_net=dict(_delete_=True, **_base_.raft))
optim_wrapper = dict(_delete_=True, **_base_.raft_optim_wrapper)
# It needs fewer iterations than FlowNetS, and longer ones.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=600, by_epoch=False)]
train_cfg = dict(max_iters=600)
