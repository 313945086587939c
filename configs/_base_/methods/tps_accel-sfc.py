# tps_accel-r101.py with the Accel of SFC, for its two stages.
_base_ = '../models/accel-sfc_deeplabv2-r101.py'
model = dict(
    type='TPS',
    # SYNTHIA; VIPER has 0.1.
    pseudo_weight=1.0,
    auxiliary_weight=0.1,
    confidence_threshold=None,
    histogram_matching=True,
    rescale=(0.8, 1.2),
    mirror_prob=0.5,
    running_statistics='all',
)
