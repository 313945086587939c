# SFC with temporal pseudo-labels, VIPER to Cityscapes-Seq: stage two. 51.7 mIoU in the
# paper.
_base_ = './accel_viper2city_stage2.py'
train_dataloader = dict(dataset=dict(target=dict(pipeline={{_base_.augmented_pipeline}})))
model = dict(
    source_checkpoint='work_dirs/sfc/accel_viper2city_tpl-stage1/iter_120000.pth', pseudo_weight=0.1
)
