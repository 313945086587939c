# Accel-101 of Jain et al. (CVPR 2019): two networks; the key frame's features (not scores) are
# carried, and a 1x1 "correction" joins them with the current frame's before one classifier.
_base_ = './accel_deeplabv2-r101.py'
model = dict(
    student=dict(reference_segmentor={{_base_.segmentor}}, fusion='feature', key_grad=True)
)
