# SFC with temporal pseudo-labels, VIPER to Cityscapes-Seq: stage one.
_base_ = './accel_viper2city_stage1.py'
train_dataloader = dict(dataset=dict(target=dict(pipeline={{_base_.augmented_pipeline}})))
model = dict(pseudo_weight=0.1)
