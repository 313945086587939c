# HRDA with DeepLab-v2, SYNTHIA-Seq to BDDVid, 11 classes, pseudo-labels of the mix refined by the
# video (UnifiedVideoDA, Kareer et al., TMLR 2024): a pixel has the label of the previous frame,
# carried along the flow, where that of the frame is the same. Until iteration 1500 nothing is
# mixed. The other refinements: ../mic/hrda-daformer-mitb5_viper2city_refined.py. Details are
# 360x360, half of the crop.
_base_ = [
    '../_base_/models/hrda-deeplabv2red-r101.py',
    '../_base_/methods/hrda.py',
    '../_base_/datasets/synthia2bddvid.py',
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
        mode='consistency',
        carry_rows=0.7,
        fill_rows=0.7,
        # For mode='rare': pole, rider, sign, light, fence, person.
        rare_classes=(4, 10, 6, 5, 3, 9),
    ),
    feature_distance=dict(_base_.method.feature_distance, classes=(5, 6, 9, 10, 11)),
    student=dict(
        segmentor=dict(
            detail_size=(360, 360),
            decode_head=dict(num_classes=12),
            attention_head=dict(num_classes=12),
            test_cfg=dict(crop_size=(720, 720), stride=(360, 360)),
        )
    ),
)
optim_wrapper = dict(paramwise_cfg=None)
custom_hooks = _base_.refined_hooks
