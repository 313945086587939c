# SFM on the labels of VIPER, with the flow of the FlowNet that stage two of the source model has
# trained.
_base_ = [
    '../_base_/methods/sfm.py',
    '../_base_/datasets/viper2city_own-flow.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(target=None, source=dict(label_clips=True)))
flownet = 'work_dirs/sfc/accel_viper2city_source-stage2/iter_80000.pth'
model = dict(sfm=dict(flow_net=dict(checkpoint=flownet)), flow=dict(checkpoint=flownet))
# There is no segmentation to validate.
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(checkpoint=dict(save_best=None))
# "The same training hyperparameters as FlowNet": Adam 1e-4, weight decay 4e-4. Its rate is halved
# from iteration 300k on, so that it is constant here.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.999), weight_decay=4e-4)
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80000)
