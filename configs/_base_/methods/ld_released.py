# LD as first released, five rounds: `model = _base_.method` in a config.
method = dict(
    type='OfflineSelfTraining',
    regulariser=dict(type='NegativeLearning', width=3, entropy_weight=1.0, negative_weight=1.0),
    norm_eval=False,
)
# The labels of CCM: the most confident of each class, and of each frame.
pseudo_label_generator = dict(selection='ccm', aggregate=False, portion=0.2, every=5)
# Labelled crops of CCM: the shorter side becomes 720 times 0.85 to 1.5.
labelled_crops = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(
        type='ClipResize',
        scale=(4096, 720),
        keep_ratio=True,
        ratio_range=(0.85, 1.5),
        interpolation='bicubic',
    ),
    dict(type='ClipCrop', crop_size=(600, 600)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# More labels and a lower rate in each round; tools/run_phases.py walks through them.
rounds = [
    {
        'pseudo_label_generator.portion': (20 + 5 * number) / 100,
        'optim_wrapper.optimizer.lr': 7.5e-5 / 2 ** (number / 2),
    }
    for number in range(5)
]
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=7.5e-5, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'^.student.segmentor.decode_head': dict(lr_mult=10.0)}),
)
# A round is one epoch of 2975 images in batches of 3, poly 0.9 as if over 5000 iterations.
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=5000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=991, val_interval=991)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
