"""The one table of methods: a row is a method with one set of options, and gets all tests.

What each field says: ``MethodCase`` in ``mmdavss/testing``.
"""

from __future__ import annotations

from mmdavss.testing import NUM_CLASSES, MethodCase
from mmdavss.testing.methods import SEGMENTOR

BOTH = ('student.segmentor.decode_head', 'student.segmentor.auxiliary_head')
#: Per-frame networks; the auxiliary classifier of some methods rests.
ALL = ('student.segmentor.backbone', *BOTH)
WITHOUT_AUXILIARY = ALL[:2]
#: An Accel and a DFF, whose flow comes with the clips.
ACCEL = ('student.fusion', *ALL)
FEATURES = 'student.segmentor.backbone'

FLOW_NET = dict(type='FlowNetS', base_channels=2)
SFM = dict(type='SFM', flow_net=FLOW_NET)
TEACHER = (dict(type='EMATeacherHook', momentum=0.9),)
SOURCE_FREE = dict(domains=('target',), labelled=())
SOURCE_ALONE = dict(domains=('source',), labelled=('source',))

STPL = dict(
    type='STPL',
    fusion=dict(type='STAM'),
    loss=dict(type='STPLLoss'),
    projection=dict(type='ProjectionHead', channels=8, hidden_channels=16),
)
#: The variants that contrast single frames.
UNFUSED = dict(STPL, fusion=None)
SEPICO = dict(
    type='SePiCo',
    contrastive_loss=dict(type='DistCLLoss', temperature=1.0),
    statistics=dict(type='ClassStatistics', covariance='diagonal'),
    label_ratio=0.3,
    projection=dict(type='ProjectionHead', in_channels=64, channels=8),
    confidence_threshold=0.5,
)
CROP = dict(target_crop=dict(crop_size=(32, 48)), augment=dict(type='StrongAugment'))
DACS = dict(type='DACS', augment=dict(type='StrongAugment'), confidence_threshold=0.5)
#: Of methods with a teacher: otherwise the share of its sure pixels, which weighs all of them, and
#: the statistics of its batch norm are those of the whole batch.
TAUGHT_HALVES = dict(confidence_threshold=0.0, teacher_norm='student')
#: Of pictures that are large enough for its five strides.
ADVERSARY = dict(type='VideoDiscriminator', channels=4, resolution=2.0)
DISTANCE = dict(type='FeatureDistance', loss_weight=1.0, min_ratio=0.3)
DAFORMER = dict(type='DAFormer', confidence_threshold=0.5, feature_distance=DISTANCE)
#: All cells count, equally many in each half.
DAFORMER_HALVES = dict(TAUGHT_HALVES, feature_distance=dict(DISTANCE, min_ratio=0.0))
MASKED = dict(type='MaskedConsistency', block_size=8)
#: For adversarial methods: masked clips, and the teacher that these then have.
TAUGHT = dict(masked=MASKED, confidence_threshold=0.5)
#: Context and detail of a small segmentor, whose details are a third of the frames.
HRDA = {
    **{name: part for name, part in SEGMENTOR.items() if name != 'auxiliary_head'},
    'type': 'HRDA',
    'decode_head': dict(SEGMENTOR['decode_head'], align_corners=False),
    'attention_head': dict(SEGMENTOR['decode_head'], align_corners=False),
    'detail_size': (32, 16),
    'output_stride': 8,
}
#: A network and a method like those of VFM-UDA++; the frames are 2 x 3 patches of a DINOv2.
DINOV2 = dict(arch=(32, 4, 2), channels=4)
ADAPTER = dict(
    type='EncoderDecoder',
    backbone=dict(type='DINOv2Adapter', **DINOV2),
    decode_head=dict(
        type='PyramidHead',
        in_channels=[32] * 4,
        in_index=[0, 1, 2, 3],
        num_classes=NUM_CLASSES,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='BatchCrossEntropyLoss'),
    ),
)
JITTER = dict(type='TorchvisionAugment', grey_prob=0.2)
DISTILLATION = dict(
    type='FeatureDistillation',
    backbone=dict(type='DINOv2', arch=(16, 2, 2), num_registers=2),
    size=(42, 56),
    loss_weight=1.0,
    allow_random_init=True,
)
ENTROPY = dict(type='RobustEntropyLoss', loss_weight=0.1)
VAT = dict(
    type='VAT',
    tube_loss=dict(type='TubeDiceLoss'),
    discriminator=dict(type='SequenceDiscriminator', channels=4),
)
I2VDA = dict(
    type='I2VDA',
    flow=dict(type='ZeroFlow'),
    delta=0.99,
    eta=2.0,
    discriminator=dict(type='ImageDiscriminator', channels=4),
)
#: Banks that the first clips fill, so that they count in the second iteration.
CMOM = dict(
    type='CMOM',
    alignment=dict(
        type='FeatureAlignment',
        background=(0, 2),
        foreground=(1, 3),
        prototypes=1,
        instances=3,
        components=3,
        loss_weight=1.0,
    ),
)
RDA = dict(
    type='RDA',
    discriminator=dict(type='HeadDiscriminators', channels=4),
    bands=8,
    protection_weight=0.1,
    rescale=None,
)
DAVSN = dict(type='DAVSN', discriminator=dict(type='SpatioTemporalDiscriminator', channels=4))


def stpl(model: dict, *parts: str, **options: object) -> MethodCase:
    """A row of STPL: the backbone learns, and `parts`."""
    return MethodCase(
        **dict(dict(model=model, trains=(FEATURES, *parts), statistics=False), **SOURCE_FREE)
        | options
    )


def sepico(model: dict, **options: object) -> MethodCase:
    """A row of SePiCo, whose losses depend on all of a batch."""
    return MethodCase(
        model=model, trains=(*ACCEL, 'projection'), hooks=TEACHER, halves=None, **options
    )


CASES = {
    'source_only': MethodCase(model=dict(type='SourceOnly'), trains=ACCEL, **SOURCE_ALONE),
    'source_only_dff': MethodCase(
        model=dict(type='SourceOnly'), student='DFF', trains=ALL, **SOURCE_ALONE
    ),
    'source_only_distortion_aware': MethodCase(
        model=dict(type='SourceOnly'),
        student='DistortionAwareVSS',
        trains=('student.distortion', 'student.correction', *ALL),
        **SOURCE_ALONE,
    ),
    'adabn': MethodCase(
        model=dict(type='AdaBN'),
        trains=(),
        flow=None,
        norm_eval=False,
        halves=None,  # an average over batches
        **SOURCE_FREE,
    ),
    'self_training': MethodCase(
        model=dict(type='SelfTraining'),
        trains=('student.fusion', *WITHOUT_AUXILIARY),
        **SOURCE_FREE,
    ),
    'tent': MethodCase(
        model=dict(type='TENT'),
        trains=WITHOUT_AUXILIARY[:1],
        halves=dict(),
        **SOURCE_FREE,
    ),
    'tent_released': MethodCase(
        model=dict(type='TENT', batch_statistics=True),
        trains=WITHOUT_AUXILIARY[:1],
        statistics=False,
        norm_eval=False,
        halves=None,  # batch norm by the batch
        exports=False,
        **SOURCE_FREE,
    ),
    'iast': MethodCase(
        model=dict(type='OfflineSelfTraining', regulariser=dict(type='PseudoLabelRegulariser')),
        student='PerFrame',
        trains=WITHOUT_AUXILIARY,
        flow=None,
        domains=('target',),
        labelled=('target',),  # pseudo-labels
    ),
    'ur': MethodCase(
        model=dict(
            type='UR', num_decoders=2, dilations=(1, 2), regulariser=dict(type='EntropyLoss')
        ),
        trains=('student.fusion', *WITHOUT_AUXILIARY, 'decoders'),
        domains=('target',),
        labelled=('target',),  # pseudo-labels
    ),
    'hcl': MethodCase(
        model=dict(
            type='HCL',
            projection=dict(
                type='ProjectionHead',
                hidden_channels=16,
                channels=8,
                norm_cfg=dict(type='BN'),
                norm_last=False,
            ),
            contrast=dict(type='HistoricalContrastLoss'),
            class_weights=dict(pixels=200),
        ),
        trains=(*ACCEL, 'projection'),
        hooks=(*TEACHER, dict(type='HistoryHook', interval=2)),
        domains=('target',),
        labelled=('target',),  # pseudo-labels
        halves=dict(
            teacher_norm='student',
            projection=dict(type='ProjectionHead', channels=8, hidden_channels=16),
        ),
    ),
    'ld': MethodCase(
        model=dict(type='OfflineSelfTraining', regulariser=dict(type='NegativeLearning', width=1)),
        trains=('student.fusion', *WITHOUT_AUXILIARY),
        domains=('target',),
        labelled=('target',),  # pseudo-labels
    ),
    'stpl': stpl(STPL, 'fusion', 'projection'),
    'stpl_add': stpl(dict(STPL, fusion=dict(type='AddFusion')), 'projection', thorough=False),
    'stpl_concat': stpl(dict(STPL, fusion=dict(type='ConcatFusion')), 'projection', thorough=False),
    'stpl_conv': stpl(
        dict(STPL, fusion=dict(type='ConvFusion')), 'fusion', 'projection', thorough=False
    ),
    'stpl_norm': stpl(
        dict(STPL, train_norm_only=True, norm_eval=False), 'fusion', 'projection', statistics=True
    ),
    'stpl_anchor': stpl(
        dict(STPL, anchor_weight=0.5, confident_per_class=True, norm_eval=False),
        'student.segmentor.decode_head',
        'student.fusion',
        'fusion',
        'projection',
        statistics=True,
    ),
    'temporal_anchor': stpl(
        dict(UNFUSED, contrast='temporal', anchor_weight=0.5),
        'student.segmentor.decode_head',
        'student.fusion',
        'projection',
    ),
    'spatial': stpl(dict(UNFUSED, contrast='spatial'), 'projection', thorough=False),
    'temporal': stpl(dict(UNFUSED, contrast='temporal'), 'projection', thorough=False),
    'naive': stpl(dict(UNFUSED, contrast='spatial+temporal'), 'projection', thorough=False),
    'duplicate': stpl(dict(UNFUSED, contrast='duplicate'), 'projection', thorough=False),
    'vat': MethodCase(
        model=VAT, student='PerFrame', trains=(*WITHOUT_AUXILIARY, 'discriminator'), flow=None
    ),
    'vat_masked': MethodCase(
        model=dict(VAT, **TAUGHT),
        student='PerFrame',
        trains=(*WITHOUT_AUXILIARY, 'discriminator'),
        hooks=TEACHER,
        flow=None,
        halves=TAUGHT_HALVES,
        thorough=False,
    ),
    'vst': MethodCase(
        model=dict(type='VST', regulariser=dict(type='PseudoLabelRegulariser')),
        student='PerFrame',
        trains=WITHOUT_AUXILIARY,
        domains=('target',),
        labelled=('target',),  # pseudo-labels
        flow='pipeline',
        halves=dict(refinement=None),
    ),
    'mrkld': MethodCase(
        model=dict(
            type='OfflineSelfTraining',
            source_weight=0.25,
            regulariser=dict(
                type='PseudoLabelRegulariser', entropy_weight=0.0, kld_weight=0.1, per_class=False
            ),
        ),
        trains=ACCEL,
        labelled=('source', 'target'),  # the target's are pseudo-labels
    ),
    'lrent': MethodCase(
        model=dict(type='OfflineSelfTraining', source_weight=0.25, soft_labels=True),
        trains=ACCEL,
        labelled=('source', 'target'),
    ),
    'ccm': MethodCase(
        model=dict(type='CCM'),
        trains=('student.fusion', *WITHOUT_AUXILIARY),
        labelled=('source', 'target'),
        halves=None,  # one mean over the labelled pixels of both domains
    ),
    'i2vda': MethodCase(
        model=I2VDA,
        student='PerFrame',
        hooks=(dict(type='ProxyNetworkHook', launch=0, interval=5),),
        trains=(*WITHOUT_AUXILIARY, 'discriminator'),
        halves=dict(delta=None, eta=None),
    ),
    'i2vda_masked': MethodCase(
        model=dict(I2VDA, **TAUGHT),
        student='PerFrame',
        hooks=(*TEACHER, dict(type='ProxyNetworkHook', launch=0, interval=5)),
        trains=(*WITHOUT_AUXILIARY, 'discriminator'),
        halves=dict(TAUGHT_HALVES, delta=None, eta=None),
        thorough=False,
    ),
    'adaptsegnet': MethodCase(
        model=dict(
            type='AdaptSegNet',
            discriminator=dict(type='HeadDiscriminators', channels=4),
            gan_loss=dict(type='DomainGANLoss', kind='lsgan'),
        ),
        student='PerFrame',
        trains=(*ALL, 'discriminator'),
        flow=None,
    ),
    'adaptsegnet_masked': MethodCase(
        model=dict(
            type='AdaptSegNet',
            discriminator=dict(type='HeadDiscriminators', channels=4),
            **TAUGHT,
        ),
        student='PerFrame',
        trains=(*ALL, 'discriminator'),
        hooks=TEACHER,
        flow=None,
        halves=TAUGHT_HALVES,
        thorough=False,
    ),
    'advent': MethodCase(
        model=dict(type='AdvEnt', discriminator=dict(type='HeadDiscriminators', channels=4)),
        trains=(*ACCEL, 'discriminator'),
    ),
    'rda': MethodCase(
        model=RDA,
        trains=(*ACCEL, 'discriminator', 'gate'),
    ),
    'rda_released': MethodCase(
        model=dict(
            type='RDA',
            discriminator=dict(type='HeadDiscriminators', channels=4),
            reference='self',
        ),
        student='PerFrame',
        trains=(*ALL, 'discriminator'),
        flow=None,
        thorough=False,
    ),
    'rda_masked': MethodCase(
        model=dict(RDA, **TAUGHT),
        student='PerFrame',
        trains=(*ALL, 'discriminator', 'gate'),
        hooks=TEACHER,
        flow=None,
        halves=TAUGHT_HALVES,
    ),
    'minent': MethodCase(model=dict(type='MinEnt'), trains=ACCEL),
    'minent_masked': MethodCase(
        model=dict(type='MinEnt', **TAUGHT), trains=ACCEL, hooks=TEACHER, halves=TAUGHT_HALVES
    ),
    'minent_source_free': MethodCase(model=dict(type='MinEnt'), trains=ACCEL, **SOURCE_FREE),
    'davsn': MethodCase(
        model=DAVSN,
        trains=(*ACCEL, 'discriminator'),
    ),
    'davsn_masked': MethodCase(
        model=dict(DAVSN, **TAUGHT),
        trains=(*ACCEL, 'discriminator'),
        hooks=TEACHER,
        halves=TAUGHT_HALVES,
    ),
    'davsn_source_free': MethodCase(
        model=dict(type='DAVSN'), trains=ALL, idle=('student.fusion',), **SOURCE_FREE
    ),
    'tps': MethodCase(
        model=dict(type='TPS', confidence_threshold=0.5),
        trains=ACCEL,
        length=3,
        halves=dict(confidence_threshold=None),
    ),
    'tps_source_free': MethodCase(
        model=dict(type='TPS', confidence_threshold=0.5),
        trains=ACCEL,
        length=3,
        halves=dict(confidence_threshold=None),
        **SOURCE_FREE,
    ),
    'cmom': MethodCase(
        model=CMOM,
        trains=ACCEL,
        labelled=('source', 'target'),  # the target's are pseudo-labels
        halves=dict(alignment=None),  # its banks grow with each batch
    ),
    'cmom_released': MethodCase(
        model=dict(CMOM, released_flow=True),
        student=dict(type='Accel', propagation='splat'),
        trains=ACCEL,
        labelled=('source', 'target'),
        halves=dict(alignment=None),  # as for cmom
        thorough=False,
    ),
    'quadmix': MethodCase(
        model=dict(
            type='QuadMix',
            rare_classes=(1, 2),
            template_confidence=0.2,
            mmd_weight=1.0,
            mirror_prob=0.5,
            rescale=None,
        ),
        trains=ACCEL,
        length=3,
        hooks=(dict(type='StudentLabelsHook', start=1),),
        halves=None,  # templates are those of the batch before, class vectors those of a batch
    ),
    'fda': MethodCase(model=dict(type='FDA', beta=0.1, entropy=ENTROPY), trains=ACCEL),
    'fda_sst': MethodCase(
        model=dict(type='FDA', beta=0.1, entropy=ENTROPY, learn_labels=True),
        trains=ACCEL,
        labelled=('source', 'target'),  # pseudo-labels
    ),
    'pixmatch': MethodCase(
        model=dict(
            type='PixMatch',
            fourier_weight=0.1,
            cutmix_weight=0.1,
            beta=0.1,
            confidence_threshold=0.5,
            augment=dict(type='StrongAugment'),
            crop=dict(size=(32, 32)),
        ),
        trains=ACCEL,
        halves=dict(confidence_threshold=None),
    ),
    'sfc': MethodCase(
        model=dict(type='SFC', sfm=SFM, pseudo_weight=1.0, confidence_threshold=0.5),
        trains=ACCEL,
        length=3,
        halves=dict(confidence_threshold=None),
    ),
    'flow_pretraining': MethodCase(
        model=dict(type='FlowPretraining', flow_net=FLOW_NET),
        student=None,
        trains=('flow_net',),
        statistics=False,
        norm_eval=False,
        **SOURCE_ALONE,
    ),
    'sfm_pretraining': MethodCase(
        model=dict(type='SFMPretraining', sfm=SFM, num_classes=NUM_CLASSES),
        student=None,
        trains=('sfm',),
        statistics=False,
        norm_eval=False,
        **SOURCE_ALONE,
    ),
    'dacs': MethodCase(
        model=DACS,
        trains=ACCEL,
        hooks=TEACHER,
        halves=TAUGHT_HALVES,
    ),
    'daformer': MethodCase(
        model=dict(DAFORMER, augment=dict(type='StrongAugment')),
        trains=ACCEL,
        hooks=TEACHER,
        halves=DAFORMER_HALVES,
    ),
    'dacs_masked': MethodCase(
        model=dict(
            type='DACS',
            confidence_threshold=0.5,
            masked=dict(MASKED, augment=dict(type='StrongAugment')),
        ),
        trains=ACCEL,
        hooks=TEACHER,
        halves=TAUGHT_HALVES,
        thorough=False,
    ),
    'dacs_refined': MethodCase(
        model=dict(
            type='DACS',
            confidence_threshold=0.5,
            augment=dict(type='StrongAugment'),
            refinement=dict(type='LabelRefinement', mode='max-confidence', fill_columns=4),
        ),
        trains=ACCEL,
        length=3,
        hooks=(*TEACHER, dict(type='SelfTrainingHook', start=0)),
        halves=TAUGHT_HALVES,
    ),
    'dacs_distilled': MethodCase(
        model=dict(
            DACS,
            confidence_threshold=0.3,
            augment=JITTER,
            source_augment=JITTER,
            target_augment=JITTER,
            mirrored=True,
            masked=dict(MASKED, augment=JITTER),
            distillation=dict(DISTILLATION, augment=JITTER),
        ),
        student=dict(type='PerFrame', segmentor=ADAPTER),
        trains=(*WITHOUT_AUXILIARY, 'distillation'),
        hooks=TEACHER,
        flow=None,
        halves=TAUGHT_HALVES,
    ),
    'dacs_discriminator': MethodCase(
        model=dict(
            DACS, augment=dict(type='StrongAugment', per_frame=True), discriminator=ADVERSARY
        ),
        trains=(*ACCEL, 'discriminator'),
        hooks=TEACHER,
        halves=TAUGHT_HALVES,
    ),
    'mic_hrda_discriminator': MethodCase(
        model=dict(
            DAFORMER,
            type='MIC',
            masked=MASKED,
            discriminator=ADVERSARY,
        ),
        student=dict(type='PerFrame', segmentor=HRDA),
        trains=(*WITHOUT_AUXILIARY, 'student.segmentor.attention_head', 'discriminator'),
        hooks=TEACHER,
        flow=None,
        halves=DAFORMER_HALVES,
    ),
    'mic_hrda': MethodCase(
        model=dict(DAFORMER, type='MIC', masked=MASKED),
        student=dict(type='PerFrame', segmentor=HRDA),
        trains=(*WITHOUT_AUXILIARY, 'student.segmentor.attention_head'),
        hooks=TEACHER,
        flow=None,
        halves=DAFORMER_HALVES,
    ),
    'mic_accel_hrda': MethodCase(
        model=dict(DAFORMER, type='MIC', masked=MASKED),
        student=dict(type='Accel', segmentor=HRDA, propagation='truncate'),
        trains=('student.fusion', *WITHOUT_AUXILIARY, 'student.segmentor.attention_head'),
        hooks=TEACHER,
        halves=DAFORMER_HALVES,
    ),
    'mic_accel_hrda_combined': MethodCase(
        model=dict(
            DAFORMER,
            type='MIC',
            augment=dict(type='StrongAugment', per_frame=True),
            masked=MASKED,
            refinement=dict(type='LabelRefinement', mode='consistency', fill_columns=4),
            discriminator=ADVERSARY,
        ),
        student=dict(type='Accel', segmentor=HRDA, propagation='truncate'),
        trains=(
            'student.fusion',
            *WITHOUT_AUXILIARY,
            'student.segmentor.attention_head',
            'discriminator',
        ),
        hooks=(*TEACHER, dict(type='SelfTrainingHook', start=0)),
        halves=DAFORMER_HALVES,
    ),
    'mic': MethodCase(
        model=dict(DAFORMER, type='MIC', masked=dict(MASKED, mode='separate')),
        trains=ACCEL,
        hooks=TEACHER,
        clips=2,
        halves=DAFORMER_HALVES,
    ),
    'sepico_dist': sepico(SEPICO | CROP),
    'sepico_masked': sepico(SEPICO | CROP | dict(masked=MASKED)),
    'sepico_released': sepico(
        SEPICO
        | CROP
        | dict(
            relabel_crop=True,
            augment_source=True,
            projection=dict(type='ProjectionHead', channels=8, norm_cfg=dict(type='BN')),
        ),
    ),
    'sepico_dist_full': sepico(
        dict(SEPICO, statistics=dict(type='ClassStatistics', covariance='full')),
        thorough=False,
    ),
    'sepico_proto': sepico(
        dict(
            SEPICO,
            contrastive_loss=dict(type='ProtoCLLoss', temperature=1.0),
            statistics=dict(type='ClassStatistics', covariance='full'),
        )
    ),
    'sepico_bank': sepico(
        dict(
            SEPICO,
            contrastive_loss=dict(type='BankCLLoss', temperature=1.0),
            statistics=dict(type='ClassStatistics', bank_size=3),
        )
    ),
    'sepico_fused': sepico(
        dict(
            SEPICO,
            contrast_stages=(0, 1, 2, 3),
            projection=dict(type='ProjectionHead', in_channels=120, channels=8),
        ),
        thorough=False,
    ),
}
