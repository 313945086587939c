# Accel trained on SYNTHIA-Seq (12 classes), scored on Cityscapes-Seq (11): 38.3 mIoU in the papers.
_base_ = [
    '../_base_/models/accel-tps_deeplabv2-r101.py',
    '../_base_/datasets/synthia2city.py',
    '../_base_/schedules/advent_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None))
model = dict(
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=12), auxiliary_head=dict(num_classes=12))
    )
)
