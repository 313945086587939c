# DA-VSN without its losses of the source, as STPL's tables have it.
_base_ = [
    '../_base_/methods/davsn_effnet-lite0.py',
    '../_base_/datasets/day2dusk.py',
    '../_base_/default_runtime.py',
]
# Source-free: this run has no source data set.
train_dataloader = dict(dataset=dict(source=None))
model = dict(
    student=dict(segmentor=dict(decode_head=dict(num_classes=11))),
    source_checkpoint='work_dirs/source_only/effnet-lite0_day2dusk/iter_600.pth',
    # The remaining part of the method: consistency over time.
    discriminator=None,
)
# The fusion of the frames gets no gradient.
model_wrapper_cfg = dict(find_unused_parameters=True)
# Adam is invariant to the factor 0.001 of the only loss, SGD is not: STPL's schedule.
optim_wrapper = dict(
    _delete_=True,
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='SGD', lr=1e-5, momentum=0.9, weight_decay=5e-4),
        clip_grad=dict(max_norm=1.0),
    ),
)
