# SFC with RAFT in the video net and in SFM: stage two. 51.6 mIoU in table 5.
_base_ = './accel_viper2city_stage2.py'
# RAFT as published, trained on Flying Chairs.
raft = dict(type='MMFlowNet', config='raft_8xb2_100k_flyingchairs-368x496')
model = dict(
    source_checkpoint='work_dirs/sfc/accel-raft_viper2city_stage1/iter_120000.pth',
    sfm=dict(flow_net=dict(_delete_=True, **raft), chunk=1),
    sfm_checkpoint='work_dirs/sfc/sfm-raft_viper/iter_80000.pth',
    flow=dict(
        flow_net=dict(_delete_=True, **raft),
        checkpoint='work_dirs/sfc/accel-raft_viper2city_source-stage2/iter_80000.pth',
    ),
    student=dict(flow_net=dict(_delete_=True, **raft)),
)
