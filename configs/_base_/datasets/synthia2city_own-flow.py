# synthia2city.py without flow: for nets with a flow branch and methods with a flow network.
_base_ = './synthia2city.py'
source_pipeline = [t for t in _base_.source_pipeline if t['type'] != 'LoadFlow']
# No augmented view: only temporal pseudo-labels need one.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] not in ('LoadFlow', 'TPSAugment')]
augmented_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'LoadFlow']
target_labelled_pipeline = [t for t in _base_.target_labelled_pipeline if t['type'] != 'LoadFlow']
test_pipeline = [t for t in _base_.test_pipeline if t['type'] != 'LoadFlow']
target_train_labelled = dict(pipeline=target_labelled_pipeline)
train_dataloader = dict(
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline))
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
