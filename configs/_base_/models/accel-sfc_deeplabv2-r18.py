# A small Accel of SFC that trains from scratch in minutes on two cores: two ResNet-18 of half width
# and the slim FlowNetS at half its width. Its fusion starts as the current frame: 800 iterations do
# not bring a random one back.
_base_ = './accel_deeplabv2-r18.py'
model = dict(
    student=dict(
        reference_segmentor={{_base_.model.student.segmentor}},
        flow_net=dict(type='FlowNetS', base_channels=12),
        fusion_bias=True,
        enlarge=2,
        padding_mode='border',
        key_grad=True,
    )
)
