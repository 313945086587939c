# UR for any network, as its release has it: `model = _base_.method` in a config.
method = dict(
    type='UR',
    num_decoders=4,
    dropout_ratio=0.5,
    # All four of DeepLab-v2; the release has 6 and 12 only, in the main decoder too.
    dilations=(6, 12, 18, 24),
    uncertainty_weight=0.1,
    regulariser=dict(type='EntropyLoss', normalised=True, loss_weight=1.0),
    norm_eval=False,
)
# The labels of CBST: the most confident 20 % of each class.
pseudo_label_generator = dict(
    selection='cbst',
    aggregate=False,
    portion=0.2,
    every=10,
    mirror=True,
    # Of Cityscapes-Seq the annotated ones, not all of the snippets.
    frames='training',
)
# The table's settings are those of STPL (its section 4.1): lr 2.5e-6, poly 0.9, 20k iterations.
# Classifiers and decoders at ten times the rate, as in the release, which has 5e-5 throughout.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.decoders': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
