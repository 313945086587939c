# SFC with temporal pseudo-labels and distortion-aware feature correction, in one stage.
_base_ = './distortion-aware_synthia2city.py'
train_dataloader = dict(dataset=dict(target=dict(pipeline={{_base_.augmented_pipeline}})))
model = dict(pseudo_weight=1.0)
