# Stage two with RAFT as the flow branch, pretrained on Flying Chairs (SFC, table 5: 38.6 mIoU);
# stage one is the same.
_base_ = './accel_viper2city_source-stage2.py'
model = dict(
    student=dict(
        flow_net=dict(
            _delete_=True,
            type='MMFlowNet',
            config='raft_8xb2_100k_flyingchairs-368x496',
            checkpoint='https://download.openmmlab.com/mmflow/raft/'
            'raft_8x2_100k_flyingchairs.pth')))
