# Stage two with RAFT as the flow branch (SFC, table 5: 38.6 mIoU); stage one is the same.
_base_ = ['./accel_viper2city_source-stage2.py', '../_base_/raft.py']
model = dict(
    student=dict(flow_net=dict(_delete_=True, checkpoint=_base_.raft_checkpoint, **_base_.raft))
)
