# The upper bound: the same network trained on the labels of the target.
_base_ = [
    '../_base_/models/effnet-lite0.py',
    '../_base_/datasets/day2dusk.py',
    '../_base_/schedules/lite_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        _delete_=True,
        type='DomainPairDataset',
        source={{_base_.target_train_labelled}},
    ),
)
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=11))))
