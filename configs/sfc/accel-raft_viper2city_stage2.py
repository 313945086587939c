# SFC with RAFT in the video net and in SFM: stage two. 51.6 mIoU in table 5.
_base_ = ['./accel_viper2city_stage2.py', '../_base_/raft.py']
model = dict(
    source_checkpoint='work_dirs/sfc/accel-raft_viper2city_stage1/iter_120000.pth',
    sfm=dict(flow_net=dict(_delete_=True, **_base_.raft), chunk=1),
    sfm_checkpoint='work_dirs/sfc/sfm-raft_viper/iter_80000.pth',
    flow=dict(
        flow_net=dict(_delete_=True, **_base_.raft),
        checkpoint='work_dirs/sfc/accel-raft_viper2city_source-stage2/iter_80000.pth',
    ),
    student=dict(flow_net=dict(_delete_=True, **_base_.raft)),
)
