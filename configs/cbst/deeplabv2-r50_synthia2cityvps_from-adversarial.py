# CBST*, SYNTHIA-Seq to Cityscapes-VPS: 54.85 / 38.56 mIoU / VPQ in VAT-VST's tables 10 and 11,
# from the adversarial model that IAST starts from.
# tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/methods/cbst.py',
    '../_base_/datasets/synthia2cityvps.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        source_portion=0.03,
        source=dict(clip_length=1),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/cbst_deeplabv2-r50_synthia2cityvps_from-adversarial',
            clip_length=1,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    )
)
# 850 source and 12000 target frames.
rounds = [
    {**own, 'model.source_weight': 850 * own['train_dataloader.dataset.source_portion'] / 12000}
    for own in _base_.rounds
]
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
model = dict(
    _base_.method,
    source_weight=rounds[0]['model.source_weight'],
    student=dict(segmentor=dict(decode_head=dict(num_classes=12))),
    source_checkpoint='work_dirs/iast/warmup_deeplabv2-r50_synthia2cityvps/iter_40000.pth',
)
