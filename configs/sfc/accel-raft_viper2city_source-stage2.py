# Stage two with RAFT as the flow branch (SFC, table 5: 38.6 mIoU); stage one is the same.
_base_ = './accel_viper2city_source-stage2.py'
# RAFT as published, trained on Flying Chairs.
raft = dict(type='MMFlowNet', config='raft_8xb2_100k_flyingchairs-368x496')
raft_checkpoint = 'https://download.openmmlab.com/mmflow/raft/raft_8x2_100k_flyingchairs.pth'
model = dict(student=dict(flow_net=dict(_delete_=True, checkpoint=raft_checkpoint, **raft)))
