# CCM. tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/methods/ccm_effnet-lite0.py',
    '../_base_/datasets/mini2camvid.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        # Selected by tools/select_source.py.
        source=dict(
            clip_length=1,
            with_labels=False,
            pseudo_labels='work_dirs/pseudo_labels/ccm_effnet-lite0_mini2camvid_source',
        ),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/ccm_effnet-lite0_mini2camvid',
            clip_length=1,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    )
)
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
source_selection = dict(source={{_base_.source_train}})
model = dict(
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_mini2camvid/iter_600.pth',
)
