# SFC with temporal pseudo-labels, SYNTHIA-Seq to Cityscapes-Seq: stage two. 55.3 mIoU in the
# paper.
_base_ = './accel_synthia2city_stage2.py'
train_dataloader = dict(dataset=dict(target=dict(pipeline={{_base_.augmented_pipeline}})))
model = dict(
    source_checkpoint='work_dirs/sfc/accel_synthia2city_tpl-stage1/iter_120000.pth',
    pseudo_weight=1.0,
)
