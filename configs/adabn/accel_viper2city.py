# Only batch-norm statistics, re-estimated on Cityscapes-Seq: the baseline of source-free methods.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/datasets/viper2city.py',
    '../_base_/schedules/advent_40k.py',
    '../_base_/default_runtime.py',
]
# No augmented view: nothing uses it.
target_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'TPSAugment']
target_train = dict(_base_.target_train, pipeline=target_pipeline)
train_dataloader = dict(dataset=dict(_delete_=True, type='DomainPairDataset', target=target_train))
model = dict(
    type='AdaBN', source_checkpoint='work_dirs/source_only/accel_viper2city/iter_40000.pth'
)
# No weight is trained: the optimiser has no rates for parts of the model, which would be empty, and
# the wrapper reduces no gradients.
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=dict(type='SGD', lr=0.0))
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
train_cfg = dict(max_iters=1000, val_interval=1000)
