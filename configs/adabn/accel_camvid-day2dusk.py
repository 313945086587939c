# Batch-norm statistics re-estimated on the target, nothing else.
_base_ = '../source_only/accel_camvid-day2dusk.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', target={{_base_.target_train}})
)
model = dict(
    type='AdaBN', source_checkpoint='work_dirs/source_only/accel_camvid-day2dusk/iter_40000.pth'
)
# No weight is trained: an optimiser without rates for parts of the model, which would be left with
# nothing, and a wrapper that reduces no gradient.
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=dict(type='SGD', lr=0.0))
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
train_cfg = dict(max_iters=50, val_interval=50)
