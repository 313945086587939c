# Distortion-aware feature correction with DeepLab-v2 ResNet-101 and a flow branch of its own (SFC,
# table 4).
_base_ = ['./accel_deeplabv2-r101.py', '../sfc_segmentor.py']
model = dict(
    student=dict(
        _delete_=True,
        type='DistortionAwareVSS',
        segmentor=_base_.sfc_segmentor,
        # See accel-sfc_deeplabv2-r101.py.
        flow_net=dict(type='FlowNetS', checkpoint='checkpoints/flownets_slim_flyingchairs.pth'),
        padding_mode='border',
    )
)
