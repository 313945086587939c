# SFC with RAFT in the video net and in SFM (table 5): stage one.
_base_ = ['./accel_viper2city_stage1.py', '../_base_/raft.py']
flownet = 'work_dirs/sfc/accel-raft_viper2city_source-stage2/iter_80000.pth'
model = dict(
    sfm=dict(flow_net=dict(_delete_=True, **_base_.raft), chunk=1),
    sfm_checkpoint='work_dirs/sfc/sfm-raft_viper/iter_80000.pth',
    flow=dict(flow_net=dict(_delete_=True, **_base_.raft), checkpoint=flownet),
    student=dict(flow_net=dict(_delete_=True, checkpoint=_base_.raft_checkpoint, **_base_.raft)),
)
