# SYNTHIA-Seq -> Cityscapes-VPS: 12 classes are trained, 11 reported (fence is left out of the
# means), as VAT-VST reports them in its tables 10 and 11. The paper takes 1928 images of
# SYNTHIA-Seq and does not tell which; here, as in synthia2city.py, the 850 of 04-DAWN.
_base_ = './viper2cityvps.py'
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    # (width, height); the crop is (height, width): less the lowest 120 rows.
    dict(type='ClipResize', scale=(1280, 760)),
    dict(type='ClipCrop', crop_size=(640 / 760, 1.0), mode='top'),
    dict(type='ClipFlip', prob=0.5),
    dict(type='PackClipInputs'),
]
reported = [
    'road',
    'sidewalk',
    'building',
    'pole',
    'light',
    'sign',
    'vegetation',
    'sky',
    'person',
    'rider',
    'car',
]

source_train = dict(
    type='SynthiaSeqDataset', data_root='data/synthia_seq', pipeline=source_pipeline
)
target_train = dict(classes_from='synthia')
target_train_labelled = dict(classes_from='synthia')
train_dataloader = dict(dataset=dict(source=source_train, target=target_train))
val_dataloader = dict(dataset=dict(classes_from='synthia'))
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='ClassSubsetIoU', iou_metrics=['mIoU'], subset=reported),
    dict(type='VPQMetric', subset=reported),
]
test_evaluator = val_evaluator
