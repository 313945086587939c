# VFM-UDA++ in the smallest, for tests and to see that it runs: a DINOv2 of four narrow blocks with
# random weights learns nothing in 20 iterations. With weights of DINOv2 in the two `init_cfg`, a
# real `arch` and more iterations it is a recipe.
_base_ = [
    '../_base_/models/dinov2-vitb14.py',
    '../_base_/methods/vfmuda.py',
    '../_base_/datasets/mini.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        source=dict(clip_length=1),
        target=dict(clip_length=1, pipeline={{_base_.mixed_pipeline}}),
    ),
)
model = dict(
    _base_.method,
    student=dict(
        allow_random_init=True,
        segmentor=dict(
            backbone=dict(arch=(48, 4, 3), channels=8, init_cfg=None),
            decode_head=dict(in_channels=[48, 48, 48, 48], num_classes=15),
            test_cfg=dict(_delete_=True, mode='whole'),
        ),
    ),
    masked=dict(_base_.masked, block_size=16),
    distillation=dict(
        _base_.distillation,
        backbone=dict(type='DINOv2', arch=(48, 4, 3), num_registers=4),
        size=(70, 140),
        allow_random_init=True,
    ),
)
custom_hooks = _base_.teacher
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=10, by_epoch=False),
]
train_cfg = dict(max_iters=20, val_interval=20)
# SyncBatchNorm needs GPUs.
sync_bn = None
