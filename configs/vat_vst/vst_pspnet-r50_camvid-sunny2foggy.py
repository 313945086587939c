# VST, phase 2 of VAT-VST, CamVid-Sunny to CamVid-Foggy with PSPNet (table 12).
# Before it tools/generate_pseudo_labels.py; tools/run_phases.py runs both phases and the steps
# between.
_base_ = [
    '../_base_/models/pspnet-r50.py',
    '../_base_/methods/vst.py',
    '../_base_/datasets/camvid_sunny2foggy.py',
    '../_base_/default_runtime.py',
]
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
train_dataloader = dict(
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/pspnet-r50_camvid-sunny2foggy',
            label_clips=True,
            whole_clips=True,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    )
)
model = dict(
    _base_.method,
    source_checkpoint='work_dirs/vat_vst/vat_pspnet-r50_camvid-sunny2foggy/iter_40000.pth',
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
)
