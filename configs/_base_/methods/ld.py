# LD, label denoising, for any network: `model = _base_.method` in a config.
method = dict(
    type='OfflineSelfTraining',
    regulariser=dict(type='NegativeLearning', width=3, entropy_weight=1.0, negative_weight=1.0),
    norm_eval=False,
)
# The labels of CCM, in the first round: the most confident 20 % of each class, and of each frame.
pseudo_label_generator = dict(
    selection='ccm',
    aggregate=False,
    portion=0.2,
    every=5,
    # Of Cityscapes-Seq the annotated ones, not all of the snippets.
    frames='training',
)
# No paper has it on these benchmarks; the settings are those of STPL (its section 4.1): lr 2.5e-6,
# poly 0.9, 20k iterations.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
