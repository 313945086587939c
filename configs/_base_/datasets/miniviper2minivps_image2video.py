# MiniDrive in the place of VIPER images and Cityscapes clips, whose 22 neighbouring frames make the
# consistency over time measurable. Unlike in the paper both domains are flipped: there is little
# data.
_base_ = './miniviper2minivps.py'
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'), both_ways=True),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
source_train = dict(clip_length=1)
target_train = dict(pipeline=target_pipeline)
train_dataloader = dict(dataset=dict(source=source_train, target=target_train))
