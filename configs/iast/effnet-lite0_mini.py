# IAST, after its warm-up. tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/methods/iast_effnet-lite0.py',
    '../_base_/datasets/mini.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/iast_effnet-lite0_mini',
            clip_length=1,
            pipeline={{_base_.pseudo_labelled_pipeline}},
        ),
    )
)
pseudo_label_generator = dict(pipeline={{_base_.prediction_pipeline}})
# The checkpoint that labels the next round.
default_hooks = dict(checkpoint=dict(interval=25))
model = dict(
    source_checkpoint='work_dirs/iast/warmup_effnet-lite0_mini/iter_100.pth',
)
