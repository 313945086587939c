# QuadMix with the values of its release on MiT-B5 with DAFormer's decoder, in an Accel. The student
# starts from ImageNet weights, and a TPS model on ResNet-101 labels the target at first. Both see
# the same frames: BGR less the mean, as released, to MiT-B5 too.
method = dict(
    type='QuadMix',
    # SYNTHIA; VIPER has 0.2.
    pseudo_weight=1.0,
    confidence_threshold=None,
    template_confidence=0.9,
    mmd_weight=0.01,
    # The release has no pass of the earlier pair here.
    aggregate_earlier=False,
    source_size=(512, 1024),
    histogram_matching=True,
    rescale=None,
    mirror_prob=0.5,
    running_statistics='all',
    resize_to_input=False,
    data_preprocessor=dict(
        mean=[104.00698793, 116.66876762, 122.67891434], std=[1.0, 1.0, 1.0], bgr_to_rgb=False
    ),
)
# Unlike TPS's own network, this one of the release carries scores as DA-VSN does.
labeller = dict(
    type='Accel',
    propagation='splat',
    segmentor=dict(
        type='EncoderDecoder',
        backbone=dict(
            type='CeilResNet',
            depth=101,
            num_stages=4,
            out_indices=(0, 1, 2, 3),
            dilations=(1, 1, 2, 4),
            strides=(1, 2, 1, 1),
            norm_cfg=dict(type='BN', requires_grad=False),
            style='caffe',
        ),
        decode_head=dict(
            type='DeepLabV2Head', in_channels=2048, in_index=3, num_classes=15, align_corners=True
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    ),
)
custom_hooks = [dict(type='StudentLabelsHook', start=4000)]
# Ten times the rate for the decoder, which the fusion is a part of in the release.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='AnchoredOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(
        custom_keys={
            '^.student.segmentor.decode_head': dict(lr_mult=10.0),
            '^.student.fusion': dict(lr_mult=10.0),
            # As published the layer norms of MiT do not decay; of mmseg's MiT those behind the
            # stages have numbers for names.
            '.norm': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.0.2.': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.1.2.': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.2.2.': dict(decay_mult=0.0),
            '^.student.segmentor.backbone.layers.3.2.': dict(decay_mult=0.0),
        }
    ),
)
# To 0 from the end of the warm-up on.
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=1500, end=40001, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
