# The adversarial warm-up of IAST, VIPER to Cityscapes-VPS.
# CBST* and CRST* of VAT-VST's tables start from it, too.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/methods/iast_warmup.py',
    '../_base_/datasets/viper2cityvps.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(source=dict(clip_length=1), target=dict(clip_length=1)))
model = dict(
    _base_.method,
    source_checkpoint='work_dirs/source_only/deeplabv2-r50_viper2cityvps/iter_40000.pth',
)
# VAT-VST gives no schedule: the length of its VAT here.
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.001,
        T_max=40000,
        begin=0,
        end=40000,
        by_epoch=False,
    )
]
train_cfg = dict(max_iters=40000, val_interval=4000)
