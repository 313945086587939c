# Vanilla self-training of STPL (table 3): 45.4 mIoU there.
_base_ = './accel_viper2city.py'
model = dict(
    _delete_=True,
    type='SelfTraining',
    data_preprocessor={{_base_.model.data_preprocessor}},
    student={{_base_.model.student}},
    source_checkpoint={{_base_.model.source_checkpoint}},
    confident_ratio=0.7,
    norm_eval=True,
)
