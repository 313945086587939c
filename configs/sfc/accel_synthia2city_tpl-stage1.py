# SFC with temporal pseudo-labels, SYNTHIA-Seq to Cityscapes-Seq: stage one.
_base_ = './accel_synthia2city_stage1.py'
train_dataloader = dict(dataset=dict(target=dict(pipeline={{_base_.augmented_pipeline}})))
model = dict(pseudo_weight=1.0)
