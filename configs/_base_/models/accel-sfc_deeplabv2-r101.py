# Accel of SFC: two networks, scores, a fusion that starts at random, gradient to both.
_base_ = './accel_deeplabv2-r101.py'
model = dict(
    student=dict(
        reference_segmentor={{_base_.segmentor}},
        fusion_init='xavier',
        padding_mode='border',
        key_grad=True))
