# CRST*, VIPER to Cityscapes-VPS: 46.83 / 31.04 mIoU / VPQ in VAT-VST's tables 1 and 2,
# from the adversarial model that IAST starts from.
# The table does not say which of its variants: MRKLD.
# tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/methods/crst.py',
    '../_base_/datasets/viper2cityvps.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        source_portion=0.03,
        source=dict(clip_length=1),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/crst_mrkld_deeplabv2-r50_viper2cityvps_from-adversarial',
            clip_length=1,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    )
)
# VAT-VST's 42455 source frames and 12000 target frames. Without a list of those (viper2cityvps.py)
# the source is all of VIPER: 3 % of it are more frames, of the same weight in all.
rounds = [
    {**own, 'model.source_weight': 42455 * own['train_dataloader.dataset.source_portion'] / 12000}
    for own in _base_.rounds
]
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
model = dict(
    _base_.method,
    source_weight=rounds[0]['model.source_weight'],
    source_checkpoint='work_dirs/iast/warmup_deeplabv2-r50_viper2cityvps/iter_40000.pth',
)
