# VAT with masked target images: MIC on an adversarial method, which has a teacher of its own for
# it. Blocks, their augmentation and the teacher are those of MIC's small recipe.
_base_ = [
    '../_base_/methods/vat_effnet-lite0.py',
    '../_base_/datasets/mini.py',
    '../_base_/default_runtime.py',
]
# The tube loss needs the labels of both frames; the first frame of a sequence has no clip.
train_dataloader = dict(
    dataset=dict(source=dict(label_clips=True, whole_clips=True), target=dict(whole_clips=True))
)
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
custom_hooks = [dict(type='EMATeacherHook', momentum=0.99)]
