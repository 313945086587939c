# Accel of SFC: two networks, and a flow branch of its own that is trained with them; scores are
# fused at a quarter of the resolution, by a fusion that starts at random, with gradient to both.
_base_ = ['./accel_deeplabv2-r101.py', '../sfc_segmentor.py']
model = dict(
    student=dict(
        _delete_=True,
        type='Accel',
        segmentor=_base_.sfc_segmentor,
        reference_segmentor=_base_.sfc_segmentor,
        # The slim FlowNetS, pretrained on Flying Chairs, that SFC's release starts from; to be put
        # there by hand. None starts from random weights; configs/sfc/accel-raft_* has weights
        # to download.
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth'),
        fusion_init='xavier',
        fusion_bias=True,
        enlarge=2,
        padding_mode='border',
        key_grad=True,
    )
)
