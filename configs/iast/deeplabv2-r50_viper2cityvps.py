# IAST after its warm-up, VIPER to Cityscapes-VPS: 49.36 / 34.71 mIoU / VPQ
# in VAT-VST's tables 1 and 2. tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/methods/iast.py',
    '../_base_/datasets/viper2cityvps.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/iast_deeplabv2-r50_viper2cityvps',
            clip_length=1,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    )
)
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
# The checkpoint that labels the next round.
default_hooks = dict(checkpoint=dict(interval=3117))
model = dict(
    _base_.method,
    source_checkpoint='work_dirs/iast/warmup_deeplabv2-r50_viper2cityvps/iter_40000.pth',
)
