# DA-VSN, source-free, with deep feature flow: minutes on two cores.
_base_ = './accel-r18_camvid-day2dusk.py'
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None))
# Adam is invariant to the factor 0.001 of the only loss, which is lowest with one class everywhere:
# at 3e-4 the net collapses to that (docs/results_2026.md).
optim_wrapper = dict(
    _delete_=True,
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='AdamW', lr=1e-5, weight_decay=1e-2), clip_grad=dict(max_norm=1.0)
    ),
)
# The remaining part of the method: consistency over time.
model = dict(
    discriminator=None,
    student=dict(
        _delete_=True,
        type='DFF',
        allow_random_init=True,
        segmentor={{_base_.model.student.segmentor}},
        padding_mode='border',
    ),
    source_checkpoint='work_dirs/source_only/dff-r18_camvid-day2dusk/iter_800.pth',
)
# The fusion of the frames gets no gradient.
model_wrapper_cfg = dict(find_unused_parameters=True)
