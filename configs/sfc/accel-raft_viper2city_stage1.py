# SFC with RAFT in the video net and in SFM (table 5): stage one.
_base_ = './accel_viper2city_stage1.py'
# RAFT as published, trained on Flying Chairs.
raft = dict(type='MMFlowNet', config='raft_8xb2_100k_flyingchairs-368x496')
raft_checkpoint = 'https://download.openmmlab.com/mmflow/raft/raft_8x2_100k_flyingchairs.pth'
flownet = 'work_dirs/sfc/accel-raft_viper2city_source-stage2/iter_80000.pth'
model = dict(
    sfm=dict(flow_net=dict(_delete_=True, **raft), chunk=1),
    sfm_checkpoint='work_dirs/sfc/sfm-raft_viper/iter_80000.pth',
    flow=dict(flow_net=dict(_delete_=True, **raft), checkpoint=flownet),
    student=dict(flow_net=dict(_delete_=True, checkpoint=raft_checkpoint, **raft)),
)
