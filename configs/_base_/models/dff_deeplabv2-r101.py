# Deep feature flow with DeepLab-v2 ResNet-101 and a flow branch of its own (SFC, table 4).
# RAFT in the place of FlowNetS (table 5), here as in every config with a flow branch:
#   --cfg-options model.student.flow_net._delete_=True model.student.flow_net.type=MMFlowNet \
#       model.student.flow_net.config=raft_8xb2_100k_flyingchairs-368x496 \
#       model.student.flow_net.checkpoint=FILE
_base_ = ['./accel_deeplabv2-r101.py', '../sfc_segmentor.py']
model = dict(
    student=dict(
        _delete_=True,
        type='DFF',
        segmentor=_base_.sfc_segmentor,
        # See accel-sfc_deeplabv2-r101.py.
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth'),
        padding_mode='border',
    )
)
