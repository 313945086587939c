# CMOM. Before it tools/generate_pseudo_labels.py; tools/run_phases.py runs that step too.
_base_ = [
    '../_base_/methods/cmom_effnet-lite0.py',
    '../_base_/datasets/mini.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        source=dict(label_clips=True, whole_clips=True),
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/cmom_accel-effnet-lite0_mini',
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    )
)
pseudo_label_generator = dict(
    pipeline=[t for t in _base_.test_pipeline if t['type'] != 'LoadClipAnnotations']
)
model = dict(source_checkpoint='work_dirs/davsn/accel-effnet-lite0_mini/iter_100.pth')
