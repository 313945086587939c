# Accel of SFC with RAFT as the flow branch (table 5 of the paper), pretrained on Flying Chairs.
_base_ = './accel-sfc_deeplabv2-r101.py'
model = dict(
    student=dict(
        flow_net=dict(
            _delete_=True,
            type='MMFlowNet',
            config='raft_8xb2_100k_flyingchairs-368x496',
            checkpoint='https://download.openmmlab.com/mmflow/raft/'
            'raft_8x2_100k_flyingchairs.pth')))
