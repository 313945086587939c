# Batch-norm statistics re-estimated on the target, nothing else.
_base_ = '../source_only/deeplabv2-r18_miniviper2minivps.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', target={{_base_.target_train}})
)
model = dict(
    type='AdaBN',
    source_checkpoint='work_dirs/source_only/deeplabv2-r18_miniviper2minivps/iter_800.pth',
)
# No weight is trained: a wrapper that reduces no gradient.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
train_cfg = dict(max_iters=50, val_interval=50)
