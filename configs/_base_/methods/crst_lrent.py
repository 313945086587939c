# CRST's LRENT, soft labels, for any network,
# as its release has it (lrent.sh): `model = _base_.method` in a config.
method = dict(
    type='OfflineSelfTraining',
    # The release trains on one pool of source and target: of the paper's training sets 748 and 2975
    # images in the first round. Here each step has a clip of either.
    source_weight=24966 * 0.03 / 2975,
    soft_labels=True,
    norm_eval=True,
)
pseudo_label_generator = dict(
    selection='lrent',
    portion=0.2,
    every=4,
    temperature=0.25,
    aggregate=False,
    mirror=True,
    # Of Cityscapes-Seq the annotated ones, not all of the snippets.
    frames='training',
)
# Three rounds (of its four the last one only tests), each with a new draw of the source.
# tools/run_phases.py walks through them.
rounds = [
    {
        'pseudo_label_generator.portion': 0.2,
        'train_dataloader.dataset.source_portion': 0.03,
        'model.source_weight': 24966 * 0.03 / 2975,
        'train_dataloader.dataset.portion_seed': 0,
    },
    {
        'pseudo_label_generator.portion': 0.25,
        'train_dataloader.dataset.source_portion': 0.0325,
        'model.source_weight': 24966 * 0.0325 / 2975,
        'train_dataloader.dataset.portion_seed': 1,
    },
    {
        'pseudo_label_generator.portion': 0.3,
        'train_dataloader.dataset.source_portion': 0.035,
        'model.source_weight': 24966 * 0.035 / 2975,
        'train_dataloader.dataset.portion_seed': 2,
    },
]
# Constant rates. A round has two epochs of 2975 target images.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=5e-5, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.fusion': dict(lr_mult=10.0),
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = []
train_cfg = dict(type='IterBasedTrainLoop', max_iters=5950, val_interval=2975)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
