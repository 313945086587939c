# SYNTHIA-RAND-CITYSCAPES -> Cityscapes as SePiCo has it: as GTAV -> Cityscapes, with the 19 classes
# of Cityscapes trained and the 16 that SYNTHIA has in the mean (mIoU); 13/mIoU is the mean without
# wall, fence and pole. (synthia2city.py is the video benchmark, SYNTHIA-Seq.)
_base_ = './gta2city.py'
source_root = 'data/synthia_rand'
rare_class_sampling = dict(statistics='data/synthia_rand/class_statistics.json')

source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 760)),
    dict(type='ClipCrop', crop_size=(640, 640), cat_max_ratio=0.75, rare_class_min_pixels=1500),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]

source_train = dict(
    _delete_=True, type='SynthiaDataset', data_root=source_root, pipeline=source_pipeline
)
train_dataloader = dict(dataset=dict(source=source_train))
val_evaluator = [
    dict(
        type='ClassSubsetIoU',
        iou_metrics=['mIoU'],
        subset=[
            'road',
            'sidewalk',
            'building',
            'wall',
            'fence',
            'pole',
            'light',
            'sign',
            'vegetation',
            'sky',
            'person',
            'rider',
            'car',
            'bus',
            'motorcycle',
            'bicycle',
        ],
    ),
    dict(
        type='ClassSubsetIoU',
        iou_metrics=['mIoU'],
        prefix='13',
        subset=[
            'road',
            'sidewalk',
            'building',
            'light',
            'sign',
            'vegetation',
            'sky',
            'person',
            'rider',
            'car',
            'bus',
            'motorcycle',
            'bicycle',
        ],
    ),
]
test_evaluator = val_evaluator
