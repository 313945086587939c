# VST, phase 2 of VAT-VST.
_base_ = '../models/effnet-lite0.py'
model = dict(
    type='VST',
    norm_eval=True,
    refinement='consensus',
    # The paper does not give the weights; these are IAST's.
    regulariser=dict(type='PseudoLabelRegulariser', entropy_weight=3.0, kld_weight=0.1),
)
# How tools/generate_pseudo_labels.py makes the pseudo-labels: see vst.py.
pseudo_label_generator = dict(
    selection='clip_adaptive',
    aggregate=True,
    alpha=0.2,
    beta=0.9,
    gamma=8.0,
    start=0.9,
    cap=None,
    clip_frames=30,
    occlusion=dict(alpha=50.0, threshold=0.7),
    flow=dict(type='DISFlowEstimator'),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=100, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
