# SYNTHIA-Seq images -> Cityscapes-Seq for I2VDA (section 4): the 850 of 04-DAWN, as single images,
# whole at 1280x768 (unlike synthia2city.py nothing is cut); the rest as in
# viper2city_image2video.py.
_base_ = './viper2city_image2video.py'
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 768)),  # (width, height)
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
    type='SynthiaSeqDataset', data_root='data/synthia_seq', annotated=None, pipeline=source_pipeline
)
target_train = dict(classes_from='synthia')
target_train_labelled = dict(classes_from='synthia')
train_dataloader = dict(dataset=dict(source=source_train, target=target_train))
val_dataloader = dict(dataset=dict(classes_from='synthia'))
test_dataloader = val_dataloader
val_evaluator = dict(subset=reported)
test_evaluator = val_evaluator
