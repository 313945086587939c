# CCM, VIPER to Cityscapes-VPS: 45.52 / 30.84 mIoU / VPQ in
# VAT-VST's tables 1 and 2.
# tools/run_phases.py labels the target and selects source frames before each round.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/methods/ccm.py',
    '../_base_/datasets/viper2cityvps.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        source=dict(
            clip_length=1,
            with_labels=False,
            pseudo_labels='work_dirs/pseudo_labels/ccm_deeplabv2-r50_viper2cityvps_source',
        ),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/ccm_deeplabv2-r50_viper2cityvps',
            clip_length=1,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    )
)
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
# The share of GTAV's 1191: 4.77 % of the paper's 42455.
source_selection = dict(source={{_base_.source_train}}, count=2025)
model = dict(
    _base_.method,
    source_checkpoint='work_dirs/source_only/deeplabv2-r50_viper2cityvps/iter_40000.pth',
)
