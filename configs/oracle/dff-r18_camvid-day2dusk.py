# The upper bound: the same network trained on the labels of the target.
_base_ = '../source_only/dff-r18_camvid-day2dusk.py'
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
train_cfg = dict(max_iters=300, val_interval=300)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=300, by_epoch=False)]
