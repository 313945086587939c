# MIC on HRDA with DeepLab-v2, SYNTHIA-Seq to Cityscapes-Seq, 11 classes, pseudo-labels of the mix
# refined by the video (UnifiedVideoDA, Kareer et al., TMLR 2024): each pixel has the more confident
# label of the frame and of the previous one, carried along the flow. Until iteration 1500 nothing
# is mixed. The other refinements: hrda-daformer-mitb5_viper2city_refined.py.
_base_ = [
    '../_base_/models/hrda-deeplabv2red-r101.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/synthia2city_1024.py',
    '../_base_/default_runtime.py',
]
# The mix pastes clips onto clips: those of the source have two frames too.
train_dataloader = dict(
    dataset=dict(
        rare_class_sampling={{_base_.rare_class_sampling}},
        source=dict(clip_length=2),
        target=dict(clip_length=2, pipeline={{_base_.target_clip_pipeline}}),
    )
)
model = dict(
    _base_.method,
    type='MIC',
    masked=_base_.masked,
    refinement=dict(
        _base_.refinement,
        # For mode='rare': pole, rider, sign, light, fence, person.
        rare_classes=(4, 10, 6, 5, 3, 9),
    ),
    feature_distance=dict(_base_.method.feature_distance, classes=(5, 6, 9, 10, 11)),
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=12), attention_head=dict(num_classes=12))
    ),
)
optim_wrapper = dict(paramwise_cfg=None)
custom_hooks = _base_.refined_hooks
