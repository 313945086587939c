# A small SFM on the labels of MiniDrive in CamVid's classes, for the benchmark "mini2camvid". The
# FlowNet is flownets_miniviper.py.
_base_ = [
    '../_base_/methods/sfm.py',
    '../_base_/datasets/mini2camvid.py',
    '../_base_/default_runtime.py',
]
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(240, 180)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
train_dataloader = dict(
    batch_size=4,
    dataset=dict(target=None, source=dict(label_clips=True, pipeline=source_pipeline)),
)
flownet = 'work_dirs/sfc/flownets_miniviper/iter_1500.pth'
model = dict(
    num_classes=11,
    sfm=dict(flow_net=dict(base_channels=12, checkpoint=flownet)),
    flow=dict(flow_net=dict(base_channels=12), checkpoint=flownet),
)
# There is no segmentation to validate.
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(checkpoint=dict(save_best=None))
# In minutes on two cores: ten times the rate of Dosovitskiy et al.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, weight_decay=4e-4))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=300, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=300)
