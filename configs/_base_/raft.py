# RAFT as published, trained on Flying Chairs: the other flow network of SFC (table 5).
raft = dict(type='MMFlowNet', config='raft_8xb2_100k_flyingchairs-368x496')
raft_checkpoint = 'https://download.openmmlab.com/mmflow/raft/raft_8x2_100k_flyingchairs.pth'
