# A small FlowNetS that learns the flow of DIS on MiniDrive's VIPER, in the place of the weights
# that SFC's has from Flying Chairs.
_base_ = [
    '../_base_/datasets/miniviper2minicity.py',
    '../_base_/schedules/small_flow.py',
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
# Nothing is segmented.
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(checkpoint=dict(save_best=None))
