# HRDA with DeepLab-v2 in Accel, VIPER to Cityscapes-Seq, 15 classes, pseudo-labels of the mix
# refined by the video (UnifiedVideoDA, Kareer et al., TMLR 2024): a pixel has the label of the
# previous frame, carried along the flow, where that of the frame is the same. Until iteration 1500
# nothing is mixed. Classes are pasted into all frames of a clip alike. The other refinements:
# ../mic/hrda-daformer-mitb5_viper2city_refined.py.
_base_ = [
    '../_base_/models/hrda-deeplabv2red-r101.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/viper2city_1024.py',
    '../_base_/default_runtime.py',
]
# The network sees two frames; so does the teacher that labels the previous frame.
train_dataloader = dict(
    dataset=dict(
        rare_class_sampling={{_base_.rare_class_sampling}},
        source=dict(clip_length=3, pipeline={{_base_.source_clip_pipeline}}),
        target=dict(clip_length=3, pipeline={{_base_.target_clip_pipeline}}),
    )
)
val_dataloader = dict(dataset=dict(clip_length=2, pipeline={{_base_.test_clip_pipeline}}))
test_dataloader = val_dataloader
model = dict(
    _base_.method,
    refinement=dict(
        type='LabelRefinement',
        mode='consistency',
        carry_rows=840 / 1024,
        fill_rows=800 / 1024,
        fill_columns=100,
    ),
    feature_distance=dict(_base_.method.feature_distance, classes=(4, 5, 9, 10, 11, 12, 13, 14)),
    student=dict(
        type='Accel',
        segmentor=dict(decode_head=dict(num_classes=15), attention_head=dict(num_classes=15)),
    ),
)
optim_wrapper = dict(paramwise_cfg=None)
custom_hooks = [
    dict(type='EMATeacherHook', momentum=0.999),
    dict(type='SelfTrainingHook', start=1500),
]
