# SFC in one stage with an SFM made of RAFT.
_base_ = ['./shared-accel-r18_miniviper2minicity.py', '../_base_/raft_small.py']
model = dict(
    sfm=dict(flow_net=dict(_delete_=True, **_base_.raft)),
    sfm_checkpoint='work_dirs/sfc/sfm-raft_miniviper/iter_100.pth',
)
