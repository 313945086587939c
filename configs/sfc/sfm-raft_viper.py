# SFM made of RAFT, with the flow of the RAFT that stage two of the source model has trained.
_base_ = './sfm_viper.py'
# RAFT as published, trained on Flying Chairs.
raft = dict(type='MMFlowNet', config='raft_8xb2_100k_flyingchairs-368x496')
flownet = 'work_dirs/sfc/accel-raft_viper2city_source-stage2/iter_80000.pth'
model = dict(
    # One class at a time: RAFT needs much more memory than FlowNetS.
    sfm=dict(flow_net=dict(_delete_=True, checkpoint=flownet, **raft), chunk=1),
    flow=dict(flow_net=dict(_delete_=True, **raft), checkpoint=flownet),
)
