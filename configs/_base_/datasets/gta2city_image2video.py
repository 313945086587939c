# GTAV images -> Cityscapes-Seq in 19 classes, for I2VDA with a source that is not a video (not in
# the paper): GTAV at 1280x720, as image methods have it; the rest as in viper2city_image2video.py.
_base_ = './viper2city_image2video.py'
source_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipResize', scale=(1280, 720)),  # (width, height)
    dict(type='PackClipInputs'),
]

source_train = dict(
    type='GTADataset', data_root='data/gta', annotated=None, pipeline=source_pipeline
)
target_train = dict(classes_from='gta')
target_train_labelled = dict(classes_from='gta')
train_dataloader = dict(dataset=dict(source=source_train, target=target_train))
val_dataloader = dict(dataset=dict(classes_from='gta'))
test_dataloader = val_dataloader
