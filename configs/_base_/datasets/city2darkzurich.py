# Cityscapes -> Dark Zurich (night) in 19 classes, as SePiCo has it: batches of 2, 640x640 crops,
# sizes of the published config; scored on val (50 images) at full resolution. The paper's numbers
# are those of test, which only the server of the data set scores. docs/datasets.md: where the data
# comes from, and the day images of the night images (day_pairs). Scale and crop sizes: scale is
# (width, height), crop_size (height, width).
source_root = 'data/cityscapes'
target_root = 'data/dark_zurich'
# For methods that sample rare classes: train_dataloader.dataset.rare_class_sampling. The file is
# written by tools/class_statistics.py.
rare_class_sampling = dict(
    statistics='data/cityscapes/class_statistics.json', temperature=0.01, min_pixels=3000
)
# How the released SePiCo weighs the classes in the cross-entropy and, with the day reference, the
# probabilities: falling with the logarithm of a class's frequency, mean 1, standard deviation 0.05.
class_weight = [
    0.904138,
    0.954243,
    0.917476,
    1.016218,
    1.008108,
    0.998769,
    1.048165,
    1.02103,
    0.927479,
    1.000391,
    0.965779,
    0.99896,
    1.060135,
    0.950368,
    1.041145,
    1.044721,
    1.044993,
    1.068882,
    1.029,
]

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 640)),
    # 0.5 times the min_pixels of the rare-class sampling; without it no effect.
    dict(type='ClipCrop', crop_size=(640, 640), cat_max_ratio=0.75, rare_class_min_pixels=1500),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# Cropped by its pseudo-labels, on the device (ClassBalancedCrop).
target_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 720)),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
# The label is loaded after the resize, so it keeps its full resolution.
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='ClipResize', scale=(1280, 720)),
    dict(type='LoadClipAnnotations'),
    dict(type='PackClipInputs'),
]

target = dict(type='DarkZurichImageDataset', data_root=target_root)
source_train = dict(type='CityscapesImageDataset', data_root=source_root, pipeline=source_pipeline)
target_train = dict(**target, with_labels=False, pipeline=target_pipeline)

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DrawSampler', shuffle=True),
    dataset=dict(type='DomainPairDataset', source=source_train, target=target_train),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**target, split='val', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassSubsetIoU', iou_metrics=['mIoU'], per_class=True)
test_evaluator = val_evaluator
