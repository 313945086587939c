# LD as first released, source-free, GTAV to Cityscapes.
# tools/run_phases.py labels the target before each round.
_base_ = [
    '../_base_/models/deeplabv2-r101-v1c.py',
    '../_base_/methods/ld_released.py',
    '../_base_/datasets/gta2city_whole.py',
    '../_base_/default_runtime.py',
]
prediction_pipeline = [t for t in _base_.target_pipeline if t['type'] != 'ClipFlip']
# Source-free: this run has no source data set.
train_dataloader = dict(
    batch_size=3,
    dataset=dict(
        source=None,
        target=dict(
            pseudo_labels='work_dirs/pseudo_labels/ld_deeplabv2-r101_gta2city',
            pipeline={{_base_.labelled_crops}},
        ),
    ),
)
pseudo_label_generator = dict(pipeline=prediction_pipeline)
model = dict(
    _base_.method,
    # As released: batch norm's affine part is fixed. No loss uses a second classifier.
    student=dict(
        segmentor=dict(backbone=dict(norm_cfg=dict(requires_grad=False)), auxiliary_head=None)
    ),
    source_checkpoint='work_dirs/source_only/deeplabv2-r101_gta2city/iter_40000.pth',
)
