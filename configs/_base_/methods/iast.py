# The rounds of IAST, for any network: `model = _base_.method` in a config. They train on the target
# alone.
method = dict(
    type='OfflineSelfTraining',
    # The release divides both by pixels times classes, as the class does.
    regulariser=dict(type='PseudoLabelRegulariser', entropy_weight=3.0, kld_weight=0.1),
    # As released: batch norm's affine part is fixed in the network, its statistics move.
    norm_eval=False,
)
pseudo_label_generator = dict(
    selection='iast', alpha=0.2, beta=0.9, gamma=8.0, start=0.9, aggregate=False
)
# In the release the net after the first of the two epochs labels the next round, in which the one
# after the second is trained further. Epochs are those of its list of GTAV, 24941 images in whole
# batches of 8: 3117 iterations.
# The labels of the first round are those of the last warm-up checkpoint; the release takes the one
# that is best on the target's validation set.
rounds = [
    {'pseudo_label_generator.alpha': 0.2, 'optim_wrapper.optimizer.lr': 3e-5},
    {
        'pseudo_label_generator.alpha': 0.25,
        'pseudo_label_generator.checkpoint': '{previous}/iter_3117.pth',
        'optim_wrapper.optimizer.lr': 2.5e-5,
    },
    {
        'pseudo_label_generator.alpha': 0.3,
        'pseudo_label_generator.checkpoint': '{previous}/iter_3117.pth',
        'optim_wrapper.optimizer.lr': 2e-5,
    },
]
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=3e-5, betas=(0.9, 0.999), weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'^.student.segmentor.backbone': dict(lr_mult=0.1)}),
)
# Cosine over three epochs, of which two are run.
param_scheduler = [
    dict(
        type='CosineAnnealingLR', eta_min_ratio=0.001, T_max=9351, begin=0, end=9351, by_epoch=False
    )
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=6234, val_interval=3117)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
