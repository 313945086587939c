# The temporal consistency (TC) of a model of deeplabv2-r101_viper2city.py, for tools/test.py: on
# all frames of Cityscapes-Seq's val, of which every 30th has a label. The paper has FlowNet2.
_base_ = './deeplabv2-r101_viper2city.py'
test_pipeline = [t for t in _base_.test_pipeline if t['type'] != 'LoadClipAnnotations']
test_dataloader = dict(dataset=dict(frames='all', with_labels=False, pipeline=test_pipeline))
test_evaluator = dict(
    _delete_=True, type='TemporalConsistencyMetric', flow=dict(type='DISFlowEstimator')
)
