# CCM for any network, as its release has it (config/ccm_config.yml): `model = _base_.method`.
method = dict(
    type='CCM',
    # The paper's entropy; the release's takes the logarithm of a second softmax.
    entropy_weight=0.5,
    double_softmax=False,
    # Batch norm's affine part is fixed in the network, its statistics move.
    norm_eval=False,
)
pseudo_label_generator = dict(selection='ccm', portion=0.1, every=5, aggregate=False)
# 1191 of 24966 images of GTAV.
source_selection = dict(count=1191, pool=0.2, centres=10, pixels=0.9, seed=1234)
# Six rounds, with rates divided by the root of 2; tools/run_phases.py walks through them.
rounds = [{'optim_wrapper.optimizer.lr': 7.5e-5 / 2 ** (number / 2)} for number in range(6)]
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=7.5e-5, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.fusion': dict(lr_mult=10.0),
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
        }
    ),
)
# Poly 0.9 as if over 5000. A round has two epochs of 1190 and 2975 images in whole batches of 2.
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=5000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=4164, val_interval=2082)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
