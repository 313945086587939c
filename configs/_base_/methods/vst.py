# VST, phase 2 of VAT-VST, for any network: `model = _base_.method` in a config.
method = dict(
    type='VST',
    refinement='consensus',
    # The paper does not give the weights; these are IAST's.
    regulariser=dict(type='PseudoLabelRegulariser', entropy_weight=3.0, kld_weight=0.1),
)
# How tools/generate_pseudo_labels.py makes the pseudo-labels of VST.
# theta_0 and the occlusion's threshold are the paper's; it does not give alpha, beta and gamma,
# which are those of IAST's first round, nor the occlusion's alpha, which is that of Lai et al.
# Equation 11 has no largest threshold (cap).
pseudo_label_generator = dict(
    selection='clip_adaptive',
    aggregate=True,
    alpha=0.2,
    beta=0.9,
    gamma=8.0,
    start=0.9,
    cap=None,
    clip_frames=30,
    # Thresholds follow whole clips, and training needs the label of the previous frame too.
    frames='all',
    occlusion=dict(alpha=50.0, threshold=0.7),
    # At the size of training, whose LoadFlow reads what is stored here.
    flow=dict(
        type='CachedFlow',
        provider=dict(type='DISFlowEstimator'),
        cache_dir='work_dirs/flow_cache',
        limit=64,  # GiB
    ),
)
# Training on labels where the paper gives no schedule (VAT-VST): SGD, poly 0.9, the classifiers at
# ten times the rate, as AdaptSegNet and ADVENT train DeepLab-v2, over 40k iterations.
# What the releases of ADVENT's family run Accel with is advent_40k.py.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.segmentor.auxiliary_head': dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
