# Only batch-norm statistics, re-estimated on the target.
_base_ = [
    '../_base_/models/deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk_frames.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', target={{_base_.target_train}})
)
model = dict(
    type='AdaBN',
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/deeplabv2-r18_camvid-day2dusk/iter_800.pth',
)
# No weight is trained, so the wrapper reduces no gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
train_cfg = dict(max_iters=50, val_interval=50)
