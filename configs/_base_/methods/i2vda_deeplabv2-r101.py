# I2VDA with the values of sections 3 and 4: network, method and schedule.
model = dict(
    type='I2VDA',
    discriminator=dict(type='ImageDiscriminator'),
    gan_loss=dict(type='DomainGANLoss', kind='lsgan'),
    adversarial_weight=0.01,
    consistency_weight=1.0,
    # Flow to the synthesised frames. DIS needs no weights; the paper has FlowNet2.
    flow=dict(type='DISFlowEstimator'),
    t=None,
    alpha=0.5,
    eta=1.0,
    # Section 3.4 says 0.8. Table 5 has 0.1, 0.3 and 0.5, and the paper's main result at 0.3.
    delta=0.3,
    mask_grid='current',
    # Caffe-style weights: BGR, not scaled, the mean of ADVENT and its descendants.
    data_preprocessor=dict(
        type='DomainDataPreprocessor',
        mean=[104.00698793, 116.66876762, 122.67891434],
        std=[1.0, 1.0, 1.0],
    ),
    student=dict(
        type='PerFrame',
        segmentor=dict(
            type='EncoderDecoder',
            backbone=dict(
                # Its first pooling rounds up: a grid that fits align_corners=True.
                type='CeilResNet',
                depth=101,
                num_stages=4,
                out_indices=(0, 1, 2, 3),
                dilations=(1, 1, 2, 4),
                strides=(1, 2, 1, 1),
                # As published: the affine part of batch norm is not trained.
                norm_cfg=dict(type='BN', requires_grad=False),
                norm_eval=False,
                style='caffe',
                init_cfg=dict(
                    type='Pretrained', checkpoint='open-mmlab://detectron2/resnet101_caffe'
                ),
            ),
            decode_head=dict(
                type='DeepLabV2Head',
                in_channels=2048,
                in_index=3,
                dilations=(6, 12, 18, 24),
                num_classes=15,
                align_corners=True,
                loss_decode=dict(type='BatchCrossEntropyLoss'),
            ),
            # No loss of the paper uses a second classifier.
            auxiliary_head=None,
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        ),
    ),
)
custom_hooks = [dict(type='ProxyNetworkHook', launch=8000, interval=8000)]
# Each player reduces its own gradients.
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
# Section 4.2: 50k iterations, the student with SGD 2.5e-4, the discriminator with Adam 1e-4,
# both with poly 0.9. Weight decay and the classifier at ten times the rate are those of
# AdaptSegNet, which the paper follows.
optim_wrapper = dict(
    constructor='PlayerOptimWrapperConstructor',
    student=dict(
        constructor='AnchoredOptimWrapperConstructor',
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        paramwise_cfg=dict(custom_keys={'^.segmentor.decode_head': dict(lr_mult=10.0)}),
    ),
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
param_scheduler = [
    dict(type='GroupPolyLR', power=0.9, eta_min=0.0, begin=0, end=50000, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=50000, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
