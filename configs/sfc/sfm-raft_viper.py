# SFM made of RAFT, with the flow of the RAFT that stage two of the source model has trained.
_base_ = ['./sfm_viper.py', '../_base_/raft.py']
flownet = 'work_dirs/sfc/accel-raft_viper2city_source-stage2/iter_80000.pth'
model = dict(
    # A class at a time: RAFT holds much more than FlowNetS.
    sfm=dict(flow_net=dict(_delete_=True, checkpoint=flownet, **_base_.raft), chunk=1),
    flow=dict(flow_net=dict(_delete_=True, **_base_.raft), checkpoint=flownet),
)
