# DA-VSN without its losses of the source, DA-VSN* of STPL's tables, 45.3 mIoU there, from the
# source-only model and with the training settings of STPL.
_base_ = './accel_viper2city.py'
# Source-free: no source data set exists in this run.
train_dataloader = dict(dataset=dict(source=None))
optim_wrapper = dict(
    _delete_=True,
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        optimizer=dict(type='SGD', lr=2.5e-6, momentum=0.9, weight_decay=5e-4),
        clip_grad=dict(max_norm=1.0),
    ),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
]
train_cfg = dict(max_iters=20000, val_interval=2000)
# The fusion of the frames gets no gradient.
model_wrapper_cfg = dict(find_unused_parameters=True)
model = dict(
    # What is left of the method: consistency over time.
    discriminator=None,
    source_checkpoint='work_dirs/source_only/accel_viper2city/iter_40000.pth',
)
