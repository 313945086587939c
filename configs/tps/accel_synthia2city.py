# TPS with the settings of its release: SYNTHIA-Seq to Cityscapes-Seq, 53.8 mIoU in the paper.
_base_ = [
    '../_base_/methods/tps_accel-r101.py', '../_base_/datasets/synthia2city.py',
    '../_base_/schedules/source_40k.py', '../_base_/default_runtime.py'
]
train_dataloader = dict(dataset=dict(target=dict(clip_length=4)))
model = dict(
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))))
