# "The same training hyperparameters as FlowNet": Adam 1e-4, weight decay 4e-4. Its rate is halved
# from iteration 300k on, so that it is constant here.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.999), weight_decay=4e-4)
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80000)
