# TPS with the values of its release.
_base_ = '../models/accel-tps_deeplabv2-r101.py'
model = dict(
    type='TPS',
    # SYNTHIA; VIPER has 0.1.
    pseudo_weight=1.0,
    auxiliary_weight=0.1,
    # The release has none.
    confidence_threshold=None,
    histogram_matching=True,
    rescale=(0.8, 1.2),
    mirror_prob=0.5,
    running_statistics='all',
)
