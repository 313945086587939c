# HRDA, VIPER to Cityscapes-Seq, 15 classes, pseudo-labels of the mix refined by the video
# (UnifiedVideoDA, Kareer et al., TMLR 2024): each pixel has the more confident label of the frame
# and of the previous one, carried along the flow. Until iteration 1500 nothing is mixed. The other
# refinements: ../mic/hrda-daformer-mitb5_viper2city_refined.py.
_base_ = [
    '../_base_/models/hrda-daformer-mitb5.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/viper2city_1024.py',
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
    refinement=dict(
        _base_.refinement,
        # For mode='rare': bicycle, motorcycle, sign, light, bus, fence, person.
        rare_classes=(14, 13, 5, 4, 12, 3, 9),
    ),
    feature_distance=dict(_base_.method.feature_distance, classes=(4, 5, 9, 10, 11, 12, 13, 14)),
    student=dict(
        segmentor=dict(decode_head=dict(num_classes=15), attention_head=dict(num_classes=15))
    ),
)
optim_wrapper = dict(paramwise_cfg=None)
custom_hooks = _base_.refined_hooks
