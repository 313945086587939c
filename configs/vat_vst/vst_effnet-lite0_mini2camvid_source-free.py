# VAT-VST*: VST from the source-only model, with labels of it. Before it
# tools/generate_pseudo_labels.py.
_base_ = [
    '../_base_/methods/vst_effnet-lite0.py',
    '../_base_/datasets/mini2camvid.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/effnet-lite0_mini2camvid_source-free',
            label_clips=True,
            whole_clips=True,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    ),
)
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
model = dict(
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini2camvid/iter_600.pth',
)
