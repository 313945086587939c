# Only batch-norm statistics, re-estimated on the target.
_base_ = [
    '../_base_/models/accel_deeplabv2-r101.py',
    '../_base_/datasets/camvid_day2dusk.py',
    '../_base_/schedules/advent_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', target={{_base_.target_train}})
)
model = dict(
    type='AdaBN',
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11))
    ),
    source_checkpoint='work_dirs/source_only/accel_camvid-day2dusk/iter_40000.pth',
)
# No weight is trained: the optimiser has no rates for parts of the model, which would be empty, and
# the wrapper reduces no gradients.
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=dict(type='SGD', lr=0.0))
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
train_cfg = dict(max_iters=50, val_interval=50)
