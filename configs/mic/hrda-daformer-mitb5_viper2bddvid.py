# MIC on HRDA, VIPER to BDDVid, 15 classes. UnifiedVideoDA (Kareer et al., TMLR 2024): the rate of
# all parts of the network is the same, all decay.
_base_ = [
    '../_base_/models/hrda-daformer-mitb5.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/viper2bddvid.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(rare_class_sampling={{_base_.rare_class_sampling}}))
model = dict(
    _base_.method,
    type='MIC',
    masked=_base_.masked,
    feature_distance=dict(_base_.method.feature_distance, classes=(4, 5, 9, 10, 11, 12, 13, 14)),
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=15), attention_head=dict(num_classes=15))
    ),
)
optim_wrapper = dict(paramwise_cfg=None)
