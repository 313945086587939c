# VIPER images -> Cityscapes-Seq for I2VDA (section 4): every tenth frame of VIPER by itself, at
# 896x512; of Cityscapes the annotated frame and the one before it, at 1024x512, with flow both
# ways. Nothing is flipped ("no spatial-level data augmentation"). Predictions are made frame by
# frame and scored at full resolution. No code is published: the resize is mmcv's.
_base_ = './viper2city.py'
# Flow between the two frames. DIS needs no weights, the paper has FlowNet2; other providers:
# docs/datasets.md, "Flow".
flow = dict(type='LoadFlow', provider=dict(type='DISFlowEstimator'), both_ways=True)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(896, 512)),  # (width, height)
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512)),
    flow,
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize: it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

# The 13367 images that I2VDA calls *0.
source_train = dict(clip_length=1, annotated='*0', pipeline=source_pipeline)
target_train = dict(pipeline=target_pipeline)
target_train_labelled = dict(clip_length=1, pipeline=target_labelled_pipeline)
train_dataloader = dict(dataset=dict(source=source_train, target=target_train))
val_dataloader = dict(dataset=dict(clip_length=1, pipeline=test_pipeline))
test_dataloader = val_dataloader
