# A small FlowNetS that learns the flow of DIS on CamVid by day, instead of the weights that
# SFC's has from Flying Chairs.
_base_ = [
    '../_base_/datasets/camvid_day2dusk.py',
    '../_base_/default_runtime.py',
]
source_pipeline = [t for t in _base_.source_pipeline if t['type'] != 'LoadClipAnnotations']
train_dataloader = dict(
    dataset=dict(target=None, source=dict(with_labels=False, pipeline=source_pipeline))
)
model = dict(
    type='FlowPretraining',
    flow_net=dict(type='FlowNetS', base_channels=12),
    data_preprocessor=dict(type='DomainDataPreprocessor'),
)
# There is no segmentation to validate.
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(checkpoint=dict(save_best=None))
# In minutes on two cores: ten times the rate of Dosovitskiy et al.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, weight_decay=4e-4))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=1500, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=1500)
