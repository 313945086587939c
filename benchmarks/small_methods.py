"""What benchmarks/small_results.py trains: benchmarks, methods and the rows of their ablations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Names of the configs, and titles.
BENCHMARKS = {
    'mini': 'MiniDrive, rendered to camera',
    'mini2camvid': 'MiniDrive to CamVid',
    'day2dusk': 'CamVid, day to dusk',
}
#: The benchmark of the ablations.
ABLATIONS = 'mini'
MAIN = 'main'
#: What SFC's SFM is trained with, in order.
SFM = {
    'mini': ('sfc/flownets_miniviper.py', 'sfc/sfm_miniviper.py'),
    'mini2camvid': ('sfc/flownets_miniviper.py', 'sfc/sfm_minicamvid.py'),
    'day2dusk': ('sfc/flownets_camvid-day.py', 'sfc/sfm_camvid-day.py'),
}
#: Benchmarks of which a method is trained several times, by the part that it is adapted to, and how
#: each training differs from the config. The scores are the means.
WAYS: dict[str, dict[str, dict[str, str]]] = {
    'day2dusk': {
        'first': {},
        'second': {
            'train_dataloader.dataset.target.half': 'second',
            'val_dataloader.dataset.half': 'first',
            'test_dataloader.dataset.half': 'first',
        },
    }
}
#: Benchmarks whose scored frames follow each other in time: the others' are a second apart.
CONSECUTIVE = ('mini',)
#: The branches of the training data with the target's frames, if not only the target.
TARGET_BRANCHES: dict[str, tuple[str, ...]] = {
    'oracle': ('source',),
    'source-only': (),
    'intrada': ('source', 'target'),
}


@dataclass(frozen=True)
class Row:
    """A row of an ablation.

    Attributes:
        title: What it changes.
        paper: mIoU in the paper.
        changes: How it differs from the method's config (``--cfg-options``).
        start: Row of the start model's method that it starts from.
        method: Method that this row is, if it is one of its own: its main row is compared.
    """

    title: str
    paper: float | None = None
    changes: Mapping[str, str] = field(default_factory=dict)
    start: str = MAIN
    method: str | None = None


@dataclass(frozen=True)
class Method:
    """A method.

    Attributes:
        title: Name in the tables.
        config: Its config below ``configs/``, ``{}`` standing for the benchmark.
        start: Method that it starts from.
        net: Network.
        source: Whether it trains on source data when it adapts.
        paper: mIoU of the main row, where the paper has an ablation.
        rows: Rows of the ablation by name, in the order of the paper.
    """

    title: str
    config: str
    start: str | None = 'source-only'
    net: str = 'PerFrame'
    source: bool = False
    paper: float | None = None
    rows: Mapping[str, Row] = field(default_factory=dict)


#: Rows of VST that only change the pseudo-labels: no refinement and no regulariser.
LABELS_ONLY = {'model.refinement': 'None', 'model.regulariser': 'None'}
#: Those whose labels are not of aggregated predictions either.
LABELS = LABELS_ONLY | {'pseudo_label_generator.aggregate': 'False'}

METHODS = {
    'source-only': Method('source-only', 'source_only/effnet-lite0_{}.py', None, source=True),
    'adabn': Method('AdaBN', 'adabn/effnet-lite0_{}.py'),
    'tent': Method('TENT', 'tent/effnet-lite0_{}.py'),
    'ur': Method('UR', 'ur/effnet-lite0_{}.py'),
    'hcl': Method('HCL', 'hcl/effnet-lite0_{}.py'),
    'ld': Method('LD', 'ld/effnet-lite0_{}.py'),
    # Tables 3 and 4, VIPER to Cityscapes-Seq.
    'stpl': Method(
        'STPL',
        'stpl/accel-effnet-lite0_{}.py',
        net='Accel',
        paper=52.5,
        rows={
            'self-training': Row('vanilla self-training', 45.4, method='self-training'),
            'duplicate': Row(
                'duplicate contrast', 45.7, {'model.contrast': 'duplicate', 'model.fusion': 'None'}
            ),
            'temporal-only': Row(
                'temporal contrast only',
                47.4,
                {'model.contrast': 'temporal', 'model.fusion': 'None'},
            ),
            'spatial-only': Row(
                'spatial contrast only', 51.1, {'model.contrast': 'spatial', 'model.fusion': 'None'}
            ),
            'naive-ts': Row(
                'sum of temporal and spatial contrast',
                51.4,
                {'model.contrast': 'spatial+temporal', 'model.fusion': 'None'},
            ),
            'fusion-add': Row('fusion by addition', 51.4, {'model.fusion.type': 'AddFusion'}),
            'fusion-conv': Row(
                'fusion by a 1x1 convolution', 51.8, {'model.fusion.type': 'ConvFusion'}
            ),
            'fusion-concat': Row(
                'fusion by concatenation', 52.3, {'model.fusion.type': 'ConcatFusion'}
            ),
        },
    ),
    'self-training': Method(
        'self-training', 'stpl/accel-effnet-lite0_{}_self-training.py', net='Accel'
    ),
    'adaptsegnet': Method('AdaptSegNet', 'adaptsegnet/effnet-lite0_{}.py', source=True),
    'minent': Method('MinEnt', 'advent/minent_effnet-lite0_{}.py', source=True),
    'advent': Method('AdvEnt', 'advent/advent_effnet-lite0_{}.py', source=True),
    'intrada': Method('IntraDA', 'intrada/effnet-lite0_{}.py', start='advent'),
    'rda': Method('RDA', 'rda/effnet-lite0_{}.py', source=True),
    'fda': Method('FDA', 'fda/effnet-lite0_{}.py', source=True),
    'pixmatch': Method('PixMatch', 'pixmatch/effnet-lite0_{}.py', source=True),
    'cbst': Method('CBST', 'cbst/effnet-lite0_{}.py', source=True),
    'crst-mrkld': Method('CRST (MRKLD)', 'crst/mrkld_effnet-lite0_{}.py', source=True),
    'crst-lrent': Method('CRST (LRENT)', 'crst/lrent_effnet-lite0_{}.py', source=True),
    'iast-warmup': Method("IAST's warm-up", 'iast/warmup_effnet-lite0_{}.py', source=True),
    'iast': Method('IAST', 'iast/effnet-lite0_{}.py', start='iast-warmup'),
    'ccm': Method('CCM', 'ccm/effnet-lite0_{}.py', source=True),
    'dacs': Method('DACS', 'dacs/effnet-lite0_{}.py', source=True),
    'dacs-refined': Method(
        'DACS, labels refined by the video', 'dacs/effnet-lite0_{}_refined.py', source=True
    ),
    'daformer': Method('DAFormer', 'daformer/effnet-lite0_{}.py', source=True),
    'mic': Method('MIC', 'mic/effnet-lite0_{}.py', source=True),
    'hrda': Method('HRDA', 'hrda/effnet-lite0_{}.py', source=True),
    'mic-hrda': Method('MIC on HRDA', 'mic/hrda-effnet-lite0_{}.py', source=True),
    'mic-hrda-refined': Method(
        'MIC on HRDA, labels refined by the video',
        'mic/hrda-effnet-lite0_{}_refined.py',
        source=True,
    ),
    'sepico-protocl': Method('SePiCo (ProtoCL)', 'sepico/protocl_effnet-lite0_{}.py', source=True),
    'sepico-bankcl': Method('SePiCo (BankCL)', 'sepico/bankcl_effnet-lite0_{}.py', source=True),
    # Table 5, GTAV to Cityscapes, without the class-balanced crop.
    'sepico-distcl': Method(
        'SePiCo (DistCL)',
        'sepico/distcl_effnet-lite0_{}.py',
        source=True,
        paper=60.4,
        rows={
            'contrast-only': Row(
                'contrast without regulariser, no self-training',
                48.5,
                {'model.self_training': 'False', 'model.contrastive_loss.reg_weight': '0.0'},
            ),
            'no-self-training': Row(
                'contrast, no self-training', 49.2, {'model.self_training': 'False'}
            ),
            'no-contrast': Row('self-training only', 52.1, method='dacs'),
            'no-regulariser': Row(
                'no regulariser', 59.3, {'model.contrastive_loss.reg_weight': '0.0'}
            ),
        },
    ),
    # Table 3, VIPER to Cityscapes-VPS.
    'vat': Method(
        'VAT',
        'vat_vst/vat_effnet-lite0_{}.py',
        source=True,
        paper=45.5,
        rows={
            'image-adv': Row(
                'image discriminator, no dice loss',
                44.0,
                {'model.tube_loss': 'None', 'model.discriminator.type': 'ImageDiscriminator'},
            ),
            'single-dice': Row(
                'dice loss of single frames', 44.0, {'model.tube_loss.single_frame': 'True'}
            ),
            'tube-image-adv': Row(
                'image discriminator', 44.8, {'model.discriminator.type': 'ImageDiscriminator'}
            ),
        },
    ),
    # Tables 4 to 6.
    'vst': Method(
        'VAT-VST',
        'vat_vst/vst_effnet-lite0_{}.py',
        start='vat',
        paper=51.9,
        rows={
            'class-balanced': Row(
                'class-balanced labels only',
                47.6,
                LABELS | {'pseudo_label_generator.selection': 'class_balanced'},
            ),
            'instance-adaptive': Row(
                'instance-adaptive labels only',
                48.0,
                LABELS | {'pseudo_label_generator.selection': 'instance_adaptive'},
            ),
            'clip-adaptive': Row('clip-adaptive labels only', 49.2, LABELS),
            'aggregated': Row('+ aggregated prediction', 49.5, LABELS_ONLY),
            'regularised': Row('+ regulariser, no refinement', 51.5, {'model.refinement': 'None'}),
            'fill-in': Row('refinement by filling in', 50.0, {'model.refinement': 'fill_in'}),
            'from-image-adv': Row(
                'after VAT with an image discriminator, no dice loss', 48.6, start='image-adv'
            ),
            'from-single-dice': Row(
                'after VAT with dice of single frames', 50.2, start='single-dice'
            ),
            'from-tube-image-adv': Row(
                'after VAT with an image discriminator', 50.7, start='tube-image-adv'
            ),
        },
    ),
    # Table 3, VIPER to Cityscapes-Seq.
    'i2vda': Method(
        'I2VDA',
        'i2vda/effnet-lite0_{}.py',
        source=True,
        paper=51.2,
        rows={
            'adversarial-only': Row(
                'adversarial loss only',
                44.0,
                {'model.augmentation': 'False', 'model.consistency_weight': '0.0'},
            ),
            'no-consistency': Row(
                'no temporal-augmented consistency', 45.6, {'model.consistency_weight': '0.0'}
            ),
            'no-augmentation': Row(
                'no temporal augmentation', 47.0, {'model.augmentation': 'False'}
            ),
            'no-entropy': Row('no entropy mask', 49.6, {'model.delta': 'None'}),
            'no-occlusion': Row('no occlusion mask', 49.7, {'model.eta': 'None'}),
        },
    ),
    'davsn': Method('DA-VSN', 'davsn/accel-effnet-lite0_{}.py', net='Accel', source=True),
    'cmom': Method(
        'CMOM', 'cmom/accel-effnet-lite0_{}.py', start='davsn', net='Accel', source=True
    ),
    # CMOM and QuadMix go on from DA-VSN and TPS: this is TPS with as many iterations in all.
    'tps': Method(
        'TPS',
        'tps/accel-effnet-lite0_{}.py',
        net='Accel',
        source=True,
        rows={
            'twice': Row(
                'twice the iterations',
                changes={'train_cfg.max_iters': '200', 'param_scheduler.0.end': '200'},
            )
        },
    ),
    'quadmix': Method(
        'QuadMix', 'quadmix/accel-effnet-lite0_{}.py', start='tps', net='Accel', source=True
    ),
    'sfc': Method('SFC', 'sfc/accel-effnet-lite0_{}.py', net='Accel', source=True),
    'sfc-tpl': Method('SFC with TPL', 'sfc/accel-effnet-lite0_{}_tpl.py', net='Accel', source=True),
    'vst*': Method('VAT-VST*, source-free', 'vat_vst/vst_effnet-lite0_{}_source-free.py'),
    'davsn*': Method(
        'DA-VSN*, source-free', 'davsn/accel-effnet-lite0_{}_source-free.py', net='Accel'
    ),
    'tps*': Method('TPS*, source-free', 'tps/accel-effnet-lite0_{}_source-free.py', net='Accel'),
    'minent*': Method('MinEnt, source-free', 'advent/minent_effnet-lite0_{}_source-free.py'),
    'oracle': Method('oracle', 'oracle/effnet-lite0_{}.py', None),
}

#: What published figures lead to expect: the first row above the second one.
EXPECTED = (
    (('mic', MAIN), ('dacs', MAIN)),
    (('hrda', MAIN), ('dacs', MAIN)),
    (('hrda', MAIN), ('mic', MAIN)),
    (('dacs-refined', MAIN), ('dacs', MAIN)),
    (('mic-hrda', MAIN), ('hrda', MAIN)),
    (('mic-hrda-refined', MAIN), ('mic-hrda', MAIN)),
    (('cmom', MAIN), ('tps', MAIN)),
    (('cmom', MAIN), ('tps', 'twice')),
    (('quadmix', MAIN), ('cmom', MAIN)),
)


def config_name(benchmark: str, method: str) -> str:
    """Name of a method's config below ``configs/``, that of its rows too."""
    return METHODS[method].config.format(benchmark)


def changes_of(method: str, row: str) -> dict[str, str]:
    """How a row differs from the method's config."""
    return {} if row == MAIN else dict(METHODS[method].rows[row].changes)


def own_rows(method: str, benchmark: str = ABLATIONS) -> list[str]:
    """The main row of a method and those of its ablation, without those that are methods.

    Beside the main row, benchmarks other than that of the ablations have what is compared with a
    row of another method.
    """
    rows = [name for name, row in METHODS[method].rows.items() if row.method is None]
    if benchmark != ABLATIONS:
        compared = {one for pair in EXPECTED for one in pair}
        rows = [name for name in rows if (method, name) in compared]
    return [MAIN, *rows]


def start_of(method: str, row: str) -> tuple[str, str] | None:
    """Method and row whose result a row starts from."""
    start = METHODS[method].start
    if start is None:
        return None
    return start, MAIN if row == MAIN else METHODS[method].rows[row].start
