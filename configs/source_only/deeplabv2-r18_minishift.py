# Source-only on MiniDrive's SHIFT, from clear days to continuous shifts: minutes on two cores.
_base_ = [
    '../_base_/models/deeplabv2-r18.py',
    '../_base_/datasets/minishift.py',
    '../_base_/schedules/small_source.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=14))))
