# SFC with temporal pseudo-labels and deep feature flow, in one stage.
_base_ = './dff_viper2city.py'
train_dataloader = dict(dataset=dict(target=dict(pipeline={{_base_.augmented_pipeline}})))
model = dict(pseudo_weight=0.1)
