# Vanilla self-training (table 3).
_base_ = './accel-r18_miniviper2minicity.py'
model = dict(
    _delete_=True,
    type='SelfTraining',
    data_preprocessor={{_base_.model.data_preprocessor}},
    student={{_base_.model.student}},
    source_checkpoint={{_base_.model.source_checkpoint}},
    confident_ratio=0.7,
    norm_eval=False,
    train_norm_only=True,
)
