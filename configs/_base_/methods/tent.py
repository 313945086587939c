# TENT for any network: `model = _base_.method` in a config. Adam with 1e-3 and no weight decay, as
# published; predictions by the statistics of their batch too.
method = dict(type='TENT', batch_statistics=True, norm_eval=False)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.0)
)
# One step for each image, ten times the training images of Cityscapes-Seq.
param_scheduler = []
train_cfg = dict(type='IterBasedTrainLoop', max_iters=29750, val_interval=2975)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
