# CRST's MRKLD. tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/methods/crst_effnet-lite0.py',
    '../_base_/datasets/day2dusk.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        source=dict(clip_length=1),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/crst_mrkld_effnet-lite0_day2dusk',
            clip_length=1,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    )
)
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
model = dict(
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_day2dusk/iter_600.pth',
)
