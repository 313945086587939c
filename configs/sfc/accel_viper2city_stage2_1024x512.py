# To score stage two as the release does: at the size of the input, labels shrunk to it by nearest
# neighbour, classes without any pixel counted as 0.
#   python tools/test.py configs/sfc/accel_viper2city_stage2_1024x512.py CHECKPOINT
_base_ = './accel_viper2city_stage2.py'
test_pipeline = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    *[t for t in _base_.test_pipeline if t['type'] == 'ClipResize'],
    # Predictions are made at ori_shape.
    dict(
        type='KeyMapper',
        transforms=[],
        mapping=dict(ori_shape='img_shape'),
        remapping=dict(ori_shape='ori_shape'),
    ),
    dict(type='PackClipInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(absent='zero')
test_evaluator = val_evaluator
