# miniviper2minicity.py without flow: for nets with a flow branch and methods with a flow network.
_base_ = './miniviper2minicity.py'
source_pipeline = [t for t in _base_.source_pipeline if t['type'] != 'LoadFlow']
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'LoadFlow']
test_pipeline = [t for t in _base_.test_pipeline if t['type'] != 'LoadFlow']
train_dataloader = dict(
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline))
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
