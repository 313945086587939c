_base_ = '../../../configs/_base_/default_runtime.py'
custom_imports = dict(imports=['mmdavss', 'toy_task'])
model = dict(type='ToyWeight')
loader = dict(
    batch_size=1,
    num_workers=0,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ToyNumbers'),
)
train_dataloader = loader
val_dataloader = loader
test_dataloader = loader
val_evaluator = dict(type='ToyValue')
test_evaluator = val_evaluator
# lr 1: each iteration subtracts its x (the mean over the ranks).
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1.0))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1))
