# The temporal consistency (TC) of a model of deeplabv2-r101_synthia2city.py, for tools/test.py: on
# all frames of Cityscapes-Seq's val, of which every 30th has a label. The paper has FlowNet2.
_base_ = [
    '../_base_/methods/i2vda_deeplabv2-r101.py',
    '../_base_/datasets/synthia2city_image2video.py',
    '../_base_/default_runtime.py',
]
test_pipeline = [t for t in _base_.test_pipeline if t['type'] != 'LoadClipAnnotations']
test_dataloader = dict(dataset=dict(frames='all', with_labels=False, pipeline=test_pipeline))
test_evaluator = dict(
    _delete_=True,
    type='TemporalConsistencyMetric',
    subset={{_base_.reported}},
    flow=dict(type='DISFlowEstimator'),
)
model = dict(student=dict(segmentor=dict(decode_head=dict(num_classes=12))))
