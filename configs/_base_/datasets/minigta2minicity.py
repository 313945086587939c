# MiniDrive (tools/make_minidrive.py data/minidrive) in the place of GTAV and Cityscapes: the same
# data sets and transforms, other folders and sizes. Wall and train do not occur in it.
_base_ = './gta2city.py'
source_root = 'data/minidrive/gta'
target_root = 'data/minidrive/cityscapes'
# As the papers' share of an image.
rare_class_sampling = dict(statistics='data/minidrive/gta/class_statistics.json', min_pixels=50)

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 108), keep_ratio=True),
    dict(type='ClipCrop', crop_size=(96, 96), cat_max_ratio=0.75, rare_class_min_pixels=25),
    dict(type='ClipFlip', prob=0.5),
    # Unlike the papers: without it the small source nets are too weak to adapt (docs/results.md).
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='PackClipInputs'),
]
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
target_labelled_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='ClipCrop', crop_size=(96, 96), cat_max_ratio=0.75),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(192, 96)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

source_train = dict(data_root=source_root, pipeline=source_pipeline)
# MiniDrive has the video snippets only: their annotated frames are the images.
target_train = dict(
    data_root=target_root, image_folder='leftImg8bit_sequence', pipeline=target_pipeline
)
target_train_labelled = dict(
    data_root=target_root, image_folder='leftImg8bit_sequence', pipeline=target_labelled_pipeline
)
train_dataloader = dict(
    batch_size=4, num_workers=2, dataset=dict(source=source_train, target=target_train)
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(
        data_root=target_root, image_folder='leftImg8bit_sequence', pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader
