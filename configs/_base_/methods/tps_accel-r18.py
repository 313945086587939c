# tps_accel-r101.py with the small net.
_base_ = '../models/accel_deeplabv2-r18.py'
model = dict(
    type='TPS',
    student=dict(padding_mode='border'),
    # That of VIPER.
    pseudo_weight=0.1,
    auxiliary_weight=0.1,
    confidence_threshold=None,
    histogram_matching=True,
    # In 200 iterations statistics of both domains fit neither.
    running_statistics='target',
)
