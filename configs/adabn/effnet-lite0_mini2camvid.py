# Only batch-norm statistics, re-estimated on the target.
_base_ = [
    '../_base_/models/effnet-lite0.py',
    '../_base_/datasets/mini2camvid.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4, dataset=dict(source=None, target=dict(clip_length=1)))
model = dict(
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    type='AdaBN',
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini2camvid/iter_600.pth',
)
# No weight is trained, so the wrapper reduces no gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
train_cfg = dict(max_iters=50, val_interval=50)
