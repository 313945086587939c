# CamVid, day to dusk: single images of the day, pairs of dusk frames with flow both ways. The two
# frames of a pair are mostly one second apart.
_base_ = './camvid_day2dusk_frames.py'
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(240, 180)),
    dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'), both_ways=True),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
source_train = dict(clip_length=1)
target_train = dict(pipeline=target_pipeline)
train_dataloader = dict(dataset=dict(source=source_train, target=target_train))
