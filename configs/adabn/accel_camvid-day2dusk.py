# Batch-norm statistics re-estimated on CamVid's dusk sequence, nothing else.
_base_ = '../source_only/accel_camvid-day2dusk.py'
train_dataloader = dict(dataset=dict(source=None, target={{_base_.target_train}}))
model = dict(
    type='AdaBN', source_checkpoint='work_dirs/source_only/accel_camvid-day2dusk/iter_40000.pth')
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
train_cfg = dict(max_iters=200, val_interval=200)
