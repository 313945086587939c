# GTAV -> Cityscapes as DAFormer has it: gta2city.py with 512x512 crops, the target at 1024x512 and
# cropped in the pipeline, without labels; validation at 1024x512, scored at full resolution.
_base_ = './gta2city.py'

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 720), keep_ratio=True),
    # 0.5 times the min_pixels of the rare-class sampling; without it no effect.
    dict(type='ClipCrop', crop_size=(512, 512), cat_max_ratio=0.75, rare_class_min_pixels=1500),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='ClipCrop', crop_size=(512, 512)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# For the oracle.
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='ClipCrop', crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize: it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1024, 512)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target_train_labelled = dict(pipeline=target_labelled_pipeline)
train_dataloader = dict(
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline))
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
