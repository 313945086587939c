# The upper bound: the same network trained on the labels of the target.
_base_ = [
    '../_base_/models/deeplabv2-r50.py',
    '../_base_/datasets/synthia2cityvps.py',
    '../_base_/schedules/source_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(_delete_=True, type='DomainPairDataset', source={{_base_.target_train_labelled}})
)
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=12))))
