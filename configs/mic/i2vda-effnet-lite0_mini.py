# I2VDA with masked target images: MIC on an adversarial method, which has a teacher of its own for
# it. Blocks, their augmentation and the teacher are those of MIC's small recipe.
_base_ = [
    '../_base_/methods/i2vda_effnet-lite0.py',
    '../_base_/datasets/mini.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1)))
model = dict(
    confidence_threshold=0.968,
    masked=dict(
        type='MaskedConsistency',
        block_size=16,
        mask_ratio=0.7,
        mode='target',
        augment=dict(type='StrongAugment'),
        loss_weight=1.0,
    ),
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini/iter_600.pth',
)
custom_hooks = [
    dict(type='ProxyNetworkHook', launch=50, interval=25),
    dict(type='EMATeacherHook', momentum=0.99),
]
