# Batch-norm statistics re-estimated on the target, with deep feature flow.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py',
    '../_base_/datasets/miniviper2minicity.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', target={{_base_.target_train}})
)
model = dict(
    type='AdaBN',
    student=dict(type='DFF', padding_mode='border'),
    source_checkpoint='work_dirs/source_only/dff-r18_miniviper2minicity/iter_800.pth',
)
# No weight is trained, so the wrapper reduces no gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
train_cfg = dict(max_iters=50, val_interval=50)
