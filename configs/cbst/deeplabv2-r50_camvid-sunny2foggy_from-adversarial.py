# CBST*, CamVid-Sunny to CamVid-Foggy: 63.88 / 52.94 mIoU / VPQ in VAT-VST's tables 8 and 9,
# from the adversarial model that IAST starts from.
# tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/methods/cbst.py',
    '../_base_/datasets/camvid_sunny2foggy.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        source_portion=0.03,
        source=dict(clip_length=1),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/cbst_deeplabv2-r50_camvid-sunny2foggy_from-adversarial',
            clip_length=1,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    )
)
# 577 source and 124 target frames.
rounds = [
    {**own, 'model.source_weight': 577 * own['train_dataloader.dataset.source_portion'] / 124}
    for own in _base_.rounds
]
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
model = dict(
    _base_.method,
    source_weight=rounds[0]['model.source_weight'],
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/iast/warmup_deeplabv2-r50_camvid-sunny2foggy/iter_40000.pth',
)
