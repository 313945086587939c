# The upper bound: the same network trained on the labels of the target.
_base_ = [
    '../_base_/models/accel_deeplabv2-r101.py',
    '../_base_/datasets/camvid_day2dusk.py',
    '../_base_/schedules/advent_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
model = dict(
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=11), auxiliary_head=dict(num_classes=11))
    )
)
