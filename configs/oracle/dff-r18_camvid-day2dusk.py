# The upper bound: the same network trained on the labels of the target.
_base_ = [
    '../_base_/models/accel_deeplabv2-r18.py',
    '../_base_/datasets/camvid_day2dusk.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
train_cfg = dict(max_iters=300, val_interval=300)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=300, by_epoch=False)]
model = dict(
    student=dict(
        type='DFF',
        padding_mode='border',
        segmentor=dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11)),
    )
)
