"""Every config in configs/ builds, and says what it has to say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS, TRANSFORMS
from mmseg.structures import SegDataSample

from mmdavss.backbones.dinov2 import ARCHS as DINOV2
from mmdavss.methods import (
    CCM,
    CMOM,
    FDA,
    SFC,
    TPS,
    AdversarialAdapter,
    BaseAdapter,
    FlowPretraining,
    MeanTeacher,
    MinEnt,
    PixMatch,
    SourceOnly,
)
from mmdavss.structures import Clip
from mmdavss.testing import make_batch
from tests.origins import model_checkpoints
from tests.quick import no_first_values
from tests.releases import full_size, value_at

pytestmark = pytest.mark.sampled
ROOT = Path(__file__).parents[1] / 'configs'
ALL_CONFIGS = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob('[!_]*/*.py'))
GOLDEN = Path(__file__).parent / 'data/golden'
#: Those of SFC that segment nothing.
PRETRAININGS = [
    name for name in ALL_CONFIGS if name.startswith(('sfc/flownets_', 'sfc/raft_', 'sfc/sfm'))
]
CONFIGS = [name for name in ALL_CONFIGS if name not in PRETRAININGS]
#: Of the recipes that were chosen on MiniDrive: what runs on other data.
TRANSFERRED = {
    benchmark: [n for n in CONFIGS if f'effnet-lite0_{benchmark}' in n]
    for benchmark in ('mini2camvid', 'day2dusk')
}
MODEL_PRESETS = sorted(p.name for p in (ROOT / '_base_/models').glob('*.py'))


def small(cfg):
    """The same network with few channels: full-size ones take seconds each to initialise."""
    if isinstance(cfg, dict):
        if cfg.get('type') == 'MixVisionTransformer':
            cfg.update(num_layers=[1, 1, 1, 1], init_cfg=None)
        if cfg.get('type') in ('DINOv2', 'DINOv2Adapter'):
            width = DINOV2[cfg['arch']][0] if isinstance(cfg['arch'], str) else cfg['arch'][0]
            cfg.update(arch=(16, 4, 2))
            return {str([width] * 4): [16] * 4}
        if cfg.get('type') in ('ResNet', 'ResNetV1c', 'CeilResNet', 'FixedStemResNet'):
            width = cfg.get('base_channels', 64)
            cfg.update(base_channels=4, stem_channels=4, init_cfg=None)
            return {str(width * w * e): 4 * w * e for w in (4, 8) for e in (1, 4)}
        widths = {}
        for value in cfg.values():
            widths |= small(value) or {}
        for value in cfg.values():
            if isinstance(value, dict) and str(value.get('in_channels')) in widths:
                value['in_channels'] = widths[str(value['in_channels'])]
        return widths
    return None


def steps_of(part: object, kind: str) -> list[dict]:
    """The transforms of a kind in a part of a config, wherever they are."""
    if isinstance(part, dict):
        own = [part] if part.get('type') == kind else []
        return own + [step for value in part.values() for step in steps_of(value, kind)]
    if isinstance(part, list | tuple):
        return [step for value in part for step in steps_of(value, kind)]
    return []


@pytest.mark.parametrize('name', full_size())
def test_flow_of_large_frames_is_kept(name):
    """DIS takes 0.1 s and more for a pair, in every epoch."""
    cfg = Config.fromfile(ROOT / name)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for step in steps_of(cfg.get(loader, {}), 'LoadFlow'):
            if step['provider']['type'] == 'DISFlowEstimator':
                assert step['cache_dir'] == 'work_dirs/flow_cache', loader
                assert step['cache_limit'] > 0, loader


@pytest.mark.parametrize('name', CONFIGS)
def test_builds(name):
    cfg = Config.fromfile(ROOT / name)
    init_default_scope(cfg.default_scope)
    small(cfg.model)
    with no_first_values():
        model = MODELS.build(cfg.model)
    assert isinstance(model, BaseAdapter)
    hooks = {hook.type for hook in cfg.get('custom_hooks') or ()}
    assert set(model.moved_by.values()) <= hooks
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.type in DATASETS
    pair = cfg.train_dataloader.dataset
    assert pair.type == 'DomainPairDataset'
    for domain in ('source', 'target'):
        for transform in (pair.get(domain) or {}).get('pipeline', ()):
            TRANSFORMS.build(transform)
    # A source-free config has no source data set at all.
    assert (pair.get('source') is not None) == (
        'source-free' not in name
        and (
            isinstance(
                model,
                (
                    SourceOnly,
                    MeanTeacher,
                    MinEnt,
                    AdversarialAdapter,
                    FDA,
                    PixMatch,
                    TPS,
                    SFC,
                    CCM,
                    CMOM,
                ),
            )
            or bool(getattr(model, 'source_weight', 0))
        )
    )
    assert pair.get('target') is None or pair.target.get('with_labels') is False
    # A source would be an error; the small ones of methods that have a form with it only lack it.
    small_form = '_source-free' in name and any(net in name for net in ('-r18', 'effnet-lite0'))
    assert model.source_free == (pair.get('source') is None) or small_form
    heads = model.student.segmentor
    classes = DATASETS.build(dict(cfg.val_dataloader.dataset, lazy_init=True)).metainfo['classes']
    assert model.num_classes == len(classes)
    assert not heads.with_auxiliary_head or heads.auxiliary_head.num_classes == len(classes)


@pytest.mark.parametrize('name', PRETRAININGS)
def test_pretraining_builds(name):
    cfg = Config.fromfile(ROOT / name)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    assert isinstance(model, FlowPretraining)
    pair = cfg.train_dataloader.dataset
    assert pair.target is None and pair.source.type in DATASETS
    transforms = [TRANSFORMS.build(transform) for transform in pair.source.pipeline]
    # The flow is that of the FlowNet, or comes with the clips.
    assert (model.flow is None) == any(type(t).__name__ == 'LoadFlow' for t in transforms)
    assert not any(
        cfg[f'{mode}_{part}']
        for mode in ('val', 'test')
        for part in ('cfg', 'dataloader', 'evaluator')
    )
    if 'sfm' in cfg.model:
        assert pair.source.label_clips
        dataset = DATASETS.build(dict(pair.source, lazy_init=True))
        assert model.num_classes == len(dataset.metainfo['classes'])


@pytest.mark.parametrize('name', MODEL_PRESETS)
def test_accel_presets_build(name):
    cfg = Config.fromfile(ROOT / '_base_/models' / name)
    small(cfg.model)
    init_default_scope('mmseg')
    MODELS.build(cfg.model)


def recipe(value, benchmark):
    """A config without its data, sizes, classes and names of files."""
    if isinstance(value, dict):
        data = ('type', 'data_root', 'sequences', 'half', 'split', 'annotated', 'classes_from')
        left_out = (
            data
            if 'data_root' in value
            else (
                'scale',
                'crop_size',
                'detail_size',
                'classes',
                'background',
                'foreground',
                'size',
            )
        )
        return {
            key: recipe(own, benchmark)
            for key, own in value.items()
            if key not in (*left_out, 'num_classes', 'rare_classes', 'sfm_checkpoint')
        }
    if isinstance(value, (list, tuple)):
        return [recipe(own, benchmark) for own in value]
    return value.replace(f'_{benchmark}', '') if isinstance(value, str) else value


def recipe_of(name, benchmark):
    """What a config runs with, without the variables of its benchmark's file."""
    variables = {
        key
        for key in Config.fromfile(ROOT / f'_base_/datasets/{benchmark}.py')
        if not key.endswith(('_dataloader', '_evaluator'))
    }
    cfg = Config.fromfile(ROOT / name).to_dict()
    return recipe({key: own for key, own in cfg.items() if key not in variables}, benchmark)


@pytest.mark.parametrize(
    ('benchmark', 'name'), [(key, name) for key, names in TRANSFERRED.items() for name in names]
)
def test_one_recipe_for_all_benchmarks(benchmark, name):
    """CamVid's benchmarks have the recipe of MiniDrive's, where it was chosen, untouched."""
    assert recipe_of(name, benchmark) == recipe_of(name.replace(benchmark, 'mini'), 'mini')


def test_the_same_methods_on_camvid():
    """Each recipe runs on both of CamVid's benchmarks or on neither."""
    first, second = ({n.replace(key, '') for n in names} for key, names in TRANSFERRED.items())
    assert first == second and len(first) >= 16


SEPICO = (
    'augment augment_source ignore_bottom ignore_top norm_eval projection relabel_crop '
    'resize_to_input'
)
SFC_SMALL = 'auxiliary_weight flow sfm sfm_checkpoint'


@pytest.mark.parametrize(
    ('name', 'paper', 'options'),
    [
        ('stpl/accel-effnet-lite0_mini', 'stpl/accel_viper2city', 'projection'),
        ('stpl/accel-effnet-lite0_mini_self-training', 'stpl/accel_viper2city_self-training', ''),
        (
            'dacs/effnet-lite0_mini',
            'dacs/deeplabv2-r101_gta2city',
            'augment ignore_bottom ignore_top norm_eval relabel_crop resize_to_input target_crop',
        ),
        *(
            (
                f'sepico/{loss}_effnet-lite0_mini',
                f'sepico/{loss}_deeplabv2-r101_gta2city',
                f'{SEPICO} target_crop{" statistics" * (loss == "bankcl")}',
            )
            for loss in ('protocl', 'bankcl', 'distcl')
        ),
        (
            'mic/effnet-lite0_mini',
            'mic/daformer-mitb5_gta2city',
            'augment feature_distance ignore_bottom ignore_top masked norm_eval resize_to_input',
        ),
        *(
            (
                f'{name}effnet-lite0_mini',
                f'{name}daformer-mitb5_gta2city',
                f'augment feature_distance norm_eval resize_to_input{options}',
            )
            for name, options in (('hrda/', ''), ('mic/hrda-', ' masked'))
        ),
        ('adaptsegnet/effnet-lite0_mini', 'adaptsegnet/deeplabv2-r101_gta2city', ''),
        *(
            (f'{name}effnet-lite0_mini', f'{name}deeplabv2-r101_gta2city', options)
            for name, options in (
                ('cbst/', 'resize_to_input source_weight'),
                ('crst/mrkld_', 'resize_to_input source_weight'),
                ('crst/lrent_', 'resize_to_input source_weight'),
                ('iast/warmup_', 'resize_to_input gan_loss'),
                ('iast/', 'norm_eval resize_to_input'),
                ('ccm/', 'norm_eval resize_to_input'),
            )
        ),
        ('advent/advent_effnet-lite0_mini', 'advent/advent_deeplabv2-r101_gta2city', ''),
        ('advent/minent_effnet-lite0_mini', 'advent/minent_deeplabv2-r101_gta2city', 'norm_eval'),
        (
            'advent/minent_effnet-lite0_mini_source-free',
            'advent/minent_accel_viper2city_source-free',
            'source_free',
        ),
        ('tent/effnet-lite0_mini', 'tent/accel_viper2city', 'batch_statistics'),
        ('ur/effnet-lite0_mini', 'ur/accel_viper2city', 'norm_eval'),
        ('ld/effnet-lite0_mini', 'ld/accel_viper2city', 'norm_eval'),
        (
            'hcl/effnet-lite0_mini',
            'hcl/accel_viper2city',
            'class_weights norm_eval projection teacher_norm',
        ),
        (
            'vat_vst/vst_effnet-lite0_mini_source-free',
            'vat_vst/vst_accel_viper2city_source-free',
            'norm_eval',
        ),
        ('intrada/effnet-lite0_mini', 'intrada/deeplabv2-r101_gta2city', ''),
        ('rda/effnet-lite0_mini', 'rda/deeplabv2-r101_gta2city', ''),
        ('fda/effnet-lite0_mini', 'fda/deeplabv2-r101_gta2city', 'norm_eval'),
        ('pixmatch/effnet-lite0_mini', 'pixmatch/deeplabv2-r101_gta2city', 'crop norm_eval'),
        ('vat_vst/vat_effnet-lite0_mini', 'vat_vst/vat_deeplabv2-r50_viper2cityvps', ''),
        ('vat_vst/vst_effnet-lite0_mini', 'vat_vst/vst_deeplabv2-r50_viper2cityvps', 'norm_eval'),
        ('i2vda/effnet-lite0_mini', 'i2vda/deeplabv2-r101_viper2city', ''),
        (
            'davsn/accel-effnet-lite0_mini',
            'davsn/accel_viper2city',
            'auxiliary_adversarial_weight auxiliary_weight discriminator',
        ),
        ('cmom/accel-effnet-lite0_mini', 'cmom/accel_viper2city', 'alignment released_flow'),
        (
            'davsn/accel-effnet-lite0_mini_source-free',
            'davsn/accel_viper2city_source-free',
            'auxiliary_adversarial_weight auxiliary_weight source_free',
        ),
        *(
            (
                f'tps/accel-effnet-lite0_mini{tag}',
                f'tps/accel_synthia2city{tag}',
                f'auxiliary_weight mirror_prob rescale{options}',
            )
            for tag, options in (('', ''), ('_source-free', ' source_free'))
        ),
        (
            'quadmix/accel-effnet-lite0_mini',
            'quadmix/accel_synthia2city',
            'auxiliary_weight labeller labeller_checkpoint mirror_prob new_classifier rare_classes',
        ),
        ('sfc/accel-effnet-lite0_mini', 'sfc/accel_viper2city_stage1', SFC_SMALL),
        ('sfc/accel-effnet-lite0_mini_tpl', 'sfc/accel_synthia2city_tpl-stage1', SFC_SMALL),
    ],
)
def test_small_recipes_are_the_papers_but_for_what_their_readmes_say(name, paper, options):
    """Options of the methods, among them weights; network and start differ in all."""
    small, full = (Config.fromfile(ROOT / f'{config}.py') for config in (name, paper))
    common = ('student', 'data_preprocessor', 'source_checkpoint')
    assert {
        key
        for key in small.model.keys() | full.model.keys()
        if value_at(small, f'model.{key}') != value_at(full, f'model.{key}')
    } - {*common} == {*options.split()}
    assert value_at(small, 'model.running_statistics') in ('all', None)


@pytest.mark.parametrize(
    ('name', 'stride'),
    [
        ('source_only/dff-effnet-lite0_mini', 32),
        ('tps/dff-effnet-lite0_mini', 32),
        ('stpl/accel-effnet-lite0_mini', 16),
    ],
)
def test_other_nets_of_effnet_lite0_train(name, stride):
    """Deep feature flow, and the output stride of 16 that one option gives every config."""
    cfg = Config.fromfile(ROOT / f'{name}.py')
    init_default_scope(cfg.default_scope)
    option = 'model.student.segmentor.backbone'
    cfg.merge_from_dict({f'{option}.output_stride': stride, f'{option}.init_cfg': None})
    cfg.model.source_checkpoint = None
    model = MODELS.build(cfg.model).train()
    segmentor = model.student.segmentor
    given = MODELS.build(Config.fromfile(ROOT / '_base_/models/effnet-lite0.py').model)
    segmentor.load_state_dict(given.student.segmentor.state_dict())
    with torch.device('meta'):
        net = MODELS.build(cfg.model.student.segmentor.backbone)
        assert net(torch.zeros(1, 3, 64, 96))[-1].shape[-2:] == (64 // stride, 96 // stride)
    pair = cfg.train_dataloader.dataset
    domains = [domain for domain in ('source', 'target') if pair.get(domain)]
    length = pair.target.get('clip_length', 2) if pair.target else 2
    before = {key: own.clone() for key, own in segmentor.backbone.named_parameters()}
    log = model.train_step(
        make_batch(*domains, length=length), build_optim_wrapper(model, cfg.optim_wrapper)
    )
    assert all(torch.isfinite(value) for value in log.values())
    assert any(
        not torch.equal(own, before[key]) for key, own in segmentor.backbone.named_parameters()
    )


def test_the_tiny_transformer_trains():
    """VFM-UDA++ with all its parts, from random weights."""
    cfg = Config.fromfile(ROOT / 'mic/dinov2-tiny_mini.py')
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    model.init_weights()
    backbone = model.student.segmentor.backbone
    before = {key: own.clone() for key, own in backbone.named_parameters()}
    log = model.train().train_step(
        make_batch('source', 'target', length=1), build_optim_wrapper(model, cfg.optim_wrapper)
    )
    assert {key.split('.')[0] for key in log if '.loss' in key} == {
        'source', 'mix', 'masked', 'distillation'
    }  # fmt: skip
    assert all(torch.isfinite(value) for value in log.values())
    assert any(not torch.equal(own, before[key]) for key, own in backbone.named_parameters())


def segmentors(cfg):
    """The networks for single frames of a video net's config."""
    return [cfg[key] for key in ('segmentor', 'reference_segmentor') if cfg.get(key)]


@pytest.mark.parametrize('name', [name for name in CONFIGS if 'daformer' not in name])
def test_first_pooling_fits_the_heads(name):
    """Full size: corners to corners needs a pixel more than there are strides. Small: mmseg's."""
    for net in segmentors(Config.fromfile(ROOT / name).model.student):
        corners = {
            head.align_corners
            for head in (net.decode_head, net.get('auxiliary_head'))
            if head is not None
        }
        expected = [False] if 'r18' in name else list(corners)
        assert [net.backbone.type == 'CeilResNet'] == expected
        assert net.backbone.get('ceil_mode', True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'maps'),
    [
        *(
            (name, {(512, 1024): (65, 129), (720, 1280): (91, 161)})
            for name in (
                'davsn/accel_viper2city',
                'tps/accel_viper2city',
                'stpl/accel_viper2city',
                'source_only/accel_viper2city',
                'source_only/deeplabv2-r101_viper2city',
            )
        ),
        ('davsn/accel_synthia2city', {(512, 1024): (65, 129), (640, 1280): (81, 161)}),
        ('tps/accel_synthia2city', {(512, 1024): (65, 129), (640, 1280): (81, 161)}),
        *(
            (name, {(512, 1024): (64, 128), (720, 1280): (90, 160)})
            for name in (
                'sfc/accel_viper2city_source-stage1',
                'sfc/accel_viper2city_stage2',
                'sfc/dff_viper2city',
                'davsn/dff_viper2city',
                'tps/distortion-aware_viper2city',
            )
        ),
        ('sepico/distcl_deeplabv2-r101_gta2city', {(640, 640): (80, 80), (640, 1280): (80, 160)}),
    ],
)
def test_score_maps_have_the_sizes_of_the_releases(name, maps):
    cfg = Config.fromfile(ROOT / f'{name}.py').model.student
    small(cfg)
    for config in segmentors(cfg):
        with torch.device('meta'):
            net = MODELS.build(config)
            for size, expected in maps.items():
                stages = net.extract_feat(torch.zeros(1, 3, *size))
                for head in (net.decode_head, getattr(net, 'auxiliary_head', None)):
                    if head is not None:
                        assert tuple(head(stages).shape[-2:]) == expected


@pytest.mark.parametrize(
    'name',
    [
        'davsn/accel_viper2city',
        'tps/accel_synthia2city',
        'stpl/accel_viper2city',
        'sfc/accel_viper2city_stage1',
        'source_only/accel_viper2city',
        'oracle/accel_synthia2city',
    ],
)
def test_colour_of_advent(name):
    """BGR less ADVENT's mean, not scaled: against the published code, which a mean was given."""
    golden = np.load(GOLDEN / 'viper_ego_vehicle.npz')
    preprocess = MODELS.build(Config.fromfile(ROOT / f'{name}.py').model.data_preprocessor)
    frame = torch.from_numpy(golden['img_rgb'][..., ::-1].copy()).permute(2, 0, 1)
    clip = preprocess(dict(inputs=dict(frames=[frame[None]])))['inputs']
    mean = golden['mean_bgr'] - np.float32([104.00698793, 116.66876762, 122.67891434])
    np.testing.assert_allclose(
        clip.frames[0, 0].numpy(), golden['img_bgr_minus_mean_chw'] + mean[:, None, None], atol=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'size'),
    [
        ('davsn/accel_viper2city', (65, 129)),
        ('tps/accel_synthia2city', (65, 129)),
        ('stpl/accel_viper2city', (65, 129)),
    ],
)
def test_scores_go_to_full_resolution_in_one_step(name, size, monkeypatch):
    """As ADVENT evaluates: 65x129 scores to 2048x1024, corners to corners, then the argmax."""
    cfg = Config.fromfile(ROOT / f'{name}.py')
    small(cfg.model)
    model = MODELS.build(cfg.model)
    scores = torch.randn(1, model.num_classes, *size)
    monkeypatch.setattr(model.net, 'forward', lambda frames, flow: scores)
    sample = SegDataSample(
        metainfo=dict(ori_shape=(1024, 2048), img_shape=(512, 1024), scale_factor=(0.5, 0.5))
    )
    frames = torch.zeros(1, 2, 3, 512, 1024)
    (found,) = model.predict(Clip(frames, frames, torch.zeros(1, 1, 2, 512, 1024)), [sample])
    expected = torch.nn.functional.interpolate(
        scores, (1024, 2048), mode='bilinear', align_corners=True
    )[0]
    torch.testing.assert_close(found.seg_logits.data, expected)
    assert torch.equal(found.pred_sem_seg.data[0], expected.argmax(0))


@pytest.mark.parametrize('net', ['deeplabv2-r101', 'daformer-mitb5'])
@pytest.mark.parametrize('data', ['gta2city', 'synthia-rand2city', 'city2darkzurich'])
def test_source_only_and_oracle_of_sepico(net, data):
    """The networks, data and schedule of SePiCo's configs, without its method."""
    method = Config.fromfile(ROOT / f'sepico/distcl_{net}_{data}.py')
    source = Config.fromfile(ROOT / f'source_only/{net}_{data}.py')
    assert source.model.type == 'SourceOnly'
    given = method.model.student.segmentor.to_dict()
    given['decode_head']['loss_decode'].pop('class_weight', None)
    assert source.model.student.segmentor.to_dict() == given
    assert source.model.data_preprocessor == method.model.data_preprocessor
    for key in ('train_cfg', 'param_scheduler', 'val_dataloader', 'val_evaluator'):
        assert source[key] == method[key]
    pair = source.train_dataloader.dataset
    assert pair.source == method.train_dataloader.dataset.source and pair.target is None
    file = ROOT / f'oracle/{net}_{data}.py'
    # Dark Zurich has no labels to train with.
    assert file.exists() == (data != 'city2darkzurich')
    if file.exists():
        oracle = Config.fromfile(file).to_dict()
        assert oracle.pop('train_dataloader')['dataset'] == dict(
            type='DomainPairDataset', source=oracle['target_train_labelled']
        )
        assert oracle['target_train_labelled']['type'] == 'CityscapesImageDataset'
        left = source.to_dict()
        del left['train_dataloader']
        assert oracle == left


@pytest.mark.parametrize('source', ['viper', 'synthia'])
def test_oracle_of_sfc(source):
    """Both stages of the source-only model, on labels of the target."""
    for stage in (1, 2):
        oracle, given = (
            Config.fromfile(ROOT / f'{name}{stage}.py').to_dict()
            for name in (
                f'oracle/accel-sfc_{source}2city_stage',
                f'sfc/accel_{source}2city_source-stage',
            )
        )
        data = oracle.pop('train_dataloader')['dataset']
        assert data.keys() == {'type', 'source'}
        assert (data['source']['type'], data['source']['classes_from']) == (
            'CityscapesSeqDataset',
            source,
        )
        assert 'LoadFlow' not in [step['type'] for step in data['source']['pipeline']]
        del given['train_dataloader']
        if stage == 2:
            assert (
                oracle['model'].pop('source_checkpoint')
                == f'work_dirs/oracle/accel-sfc_{source}2city_stage1/iter_80000.pth'
            )
            del given['model']['source_checkpoint']
        assert oracle == given


def test_papers_values():
    """STPL, section 4.1."""
    for source in ('viper', 'synthia'):
        cfg = Config.fromfile(ROOT / f'stpl/accel_{source}2city.py')
        optimizer = cfg.optim_wrapper.optimizer
        assert (optimizer.type, optimizer.lr, optimizer.momentum) == ('SGD', 2.5e-6, 0.9)
        assert (cfg.train_cfg.max_iters, cfg.param_scheduler[0].end) == (20000, 20000)
        assert (cfg.param_scheduler[0].type, cfg.param_scheduler[0].power) == ('GroupPolyLR', 0.9)
        assert cfg.model.loss.temperature == 0.07 and cfg.model.confident_ratio == 0.7
        assert cfg.model.loss.denominator == 'negatives' and cfg.model.fusion.type == 'STAM'
        assert cfg.model.student.segmentor.backbone.depth == 101


@pytest.mark.slow
def test_papers_values_of_sepico():
    """Section 4.1.2."""
    for name in CONFIGS:
        if not name.startswith('sepico/') or 'r18' in name or 'effnet' in name:
            continue
        cfg = Config.fromfile(ROOT / name)
        optimizer = cfg.optim_wrapper.optimizer
        assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('AdamW', 6e-5, 0.01)
        assert tuple(optimizer.betas) == (0.9, 0.999)
        # Dark Zurich as released, the paper says 40k of all.
        assert (
            cfg.train_cfg.max_iters
            == cfg.param_scheduler[-1].end
            == (60000 if 'darkzurich' in name else 40000)
        )
        assert cfg.train_dataloader.batch_size == 2
        model = cfg.model
        assert model.confidence_threshold == 0.968 and model.projection.channels == 512
        assert tuple(model.target_crop.crop_size) == (640, 640)
        loss = model.contrastive_loss
        assert (loss.loss_weight, loss.reg_weight) == (1, 1)
        hooks = {hook.type: hook for hook in cfg.custom_hooks}
        assert hooks['EMATeacherHook'].momentum == 0.999
        assert hooks['OnlineStatisticsHook'].contrast_start == 3000
        assert loss.type != 'BankCLLoss' or model.statistics.bank_size == 200


@pytest.mark.slow
def test_rows_of_vat_vst():
    """Table 3: dice, discriminator; 4 and 6: selection, aggregation, regulariser, refinement."""
    folders = {}
    for net in ('deeplabv2-r50_viper2cityvps', 'deeplabv2-r18_miniviper2minivps'):
        for tag, dice, discriminator in (
            ('', 'tube', 'SequenceDiscriminator'),
            ('_image-adv', None, 'ImageDiscriminator'),
            ('_single-dice', 'single', 'SequenceDiscriminator'),
            ('_tube-image-adv', 'tube', 'ImageDiscriminator'),
        ):
            model = Config.fromfile(ROOT / f'vat_vst/vat_{net}{tag}.py').model
            loss = model.tube_loss
            assert dice == (loss and ('single' if loss.get('single_frame') else 'tube'))
            assert model.discriminator.type == discriminator
        for tag, selection, aggregate, regularised, refinement in (
            ('_class-balanced', 'class_balanced', False, False, None),
            ('_instance-adaptive', 'instance_adaptive', False, False, None),
            ('_clip-adaptive', 'clip_adaptive', False, False, None),
            ('_aggregated', 'clip_adaptive', True, False, None),
            ('_regularised', 'clip_adaptive', True, True, None),
            ('', 'clip_adaptive', True, True, 'consensus'),
            ('_fill-in', 'clip_adaptive', True, True, 'fill_in'),
        ):
            cfg = Config.fromfile(ROOT / f'vat_vst/vst_{net}{tag}.py')
            generator = cfg.pseudo_label_generator
            assert (generator.selection, generator.aggregate) == (selection, aggregate)
            assert (generator.start, generator.occlusion.threshold) == (0.9, 0.7)
            assert (cfg.model.regulariser is not None) == regularised
            assert cfg.model.refinement == refinement
            # One folder holds the labels of one generator.
            folder = cfg.train_dataloader.dataset.target.pseudo_labels
            assert folders.setdefault(folder, generator) == generator


def test_papers_values_of_i2vda():
    """Sections 3 and 4.2; delta as in table 5."""
    for source in ('viper', 'synthia', 'gta'):
        cfg = Config.fromfile(ROOT / f'i2vda/deeplabv2-r101_{source}2city.py')
        student, adversary = (cfg.optim_wrapper[name] for name in ('student', 'discriminator'))
        optimizer = student.optimizer
        assert (optimizer.type, optimizer.lr, optimizer.momentum) == ('SGD', 2.5e-4, 0.9)
        optimizer = adversary.optimizer
        assert (optimizer.type, optimizer.lr) == ('Adam', 1e-4)
        assert tuple(optimizer.betas) == (0.9, 0.99)
        (schedule,) = cfg.param_scheduler
        assert (schedule.type, schedule.power, schedule.end) == ('GroupPolyLR', 0.9, 50000)
        assert (cfg.train_cfg.max_iters, cfg.train_dataloader.batch_size) == (50000, 1)
        model = cfg.model
        assert (model.alpha, model.eta, model.delta, model.t) == (0.5, 1, 0.3, None)
        assert (model.adversarial_weight, model.consistency_weight) == (0.01, 1)
        assert (model.discriminator.type, model.gan_loss.kind) == ('ImageDiscriminator', 'lsgan')
        assert model.student.segmentor.backbone.depth == 101
        (hook,) = cfg.custom_hooks
        assert hook == dict(type='ProxyNetworkHook', launch=8000, interval=8000)


@pytest.mark.slow
def test_rows_of_i2vda():
    """Table 3 as configs, the others as the README says; no config has flow of the source."""
    for net in ('deeplabv2-r101_viper2city', 'deeplabv2-r18_miniviper2minivps'):
        full = Config.fromfile(ROOT / f'i2vda/{net}.py').model
        for tag, changed in (
            ('adversarial-only', dict(augmentation=False, consistency_weight=0)),
            ('no-augmentation', dict(augmentation=False)),
            ('no-consistency', dict(consistency_weight=0)),
            ('no-occlusion', dict(eta=None)),
            ('no-entropy', dict(delta=None)),
        ):
            assert Config.fromfile(ROOT / f'i2vda/{net}_{tag}.py').model == {**full, **changed}
    cfg = Config.fromfile(ROOT / 'i2vda/deeplabv2-r101_viper2city.py')
    cfg.merge_from_dict({'custom_hooks.0.launch': 1000, 'model.t': 0.0, 'model.eta': 2.0})
    assert cfg.custom_hooks == [dict(type='ProxyNetworkHook', launch=1000, interval=8000)]
    assert (cfg.model.t, cfg.model.eta) == (0, 2)
    for name in CONFIGS:
        if name.startswith('i2vda/'):
            source = Config.fromfile(ROOT / name).train_dataloader.dataset.source
            assert source.get('clip_length') == 1
            # The pipelines of effnet-lite0 are those of all methods: one frame has no flow.
            assert 'effnet' in name or not [t for t in source.pipeline if t.type == 'LoadFlow']


def test_published_values_of_tps_and_davsn():
    """Those of the releases; the source-free ones train as STPL, whose rows they are."""
    for source, rate, weight in (('viper', 1e-4, 0.1), ('synthia', 2.5e-4, 1.0)):
        cfg = Config.fromfile(ROOT / f'tps/accel_{source}2city.py')
        optimizers = [(rate, cfg.optim_wrapper.optimizer)]
        assert (cfg.train_cfg.max_iters, cfg.param_scheduler[0].end) == (40000, 250000)
        assert cfg.train_dataloader.dataset.target.clip_length == 3
        assert cfg.model.pseudo_weight == weight
        assert cfg.model.confidence_threshold is None and cfg.model.histogram_matching
        assert cfg.model.student.padding_mode == 'border'
        cfg = Config.fromfile(ROOT / f'davsn/accel_{source}2city.py')
        assert (cfg.train_cfg.max_iters, cfg.param_scheduler[0].end) == (120000, 250000)
        adversary = cfg.optim_wrapper.discriminator.optimizer
        assert (adversary.type, adversary.lr) == ('Adam', 1e-4)
        assert tuple(adversary.betas) == (0.9, 0.99)
        model = cfg.model
        assert model.adversarial_weight == model.consistency_loss.loss_weight == 0.001
        assert model.gan_loss.kind == 'vanilla' and model.student.propagation == 'splat'
        optimizers.append((2.5e-4, cfg.optim_wrapper.student.optimizer))
        for rate, optimizer in optimizers:
            assert (optimizer.type, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (
                'SGD',
                rate,
                0.9,
                5e-4,
            )
        stpl = Config.fromfile(ROOT / f'stpl/accel_{source}2city.py')
        for method in ('tps', 'davsn'):
            cfg = Config.fromfile(ROOT / f'{method}/accel_{source}2city_source-free.py')
            wrapper = cfg.optim_wrapper.get('student', cfg.optim_wrapper)
            assert wrapper.optimizer == stpl.optim_wrapper.optimizer
            assert not wrapper.get('paramwise_cfg')
            assert cfg.param_scheduler == stpl.param_scheduler
            assert cfg.train_cfg == stpl.train_cfg
            assert cfg.model.source_checkpoint == stpl.model.source_checkpoint


def same_network(*configs):
    """Flow networks but for where they start."""
    first, second = ({k: v for k, v in c.items() if k != 'checkpoint'} for c in configs)
    return first == second


@pytest.mark.slow
def test_phases_of_sfc_find_one_another():
    """What a config starts from is what another one leaves; networks of both are the same."""
    for name in (n for n in ALL_CONFIGS if n.startswith('sfc/')):
        cfg = Config.fromfile(ROOT / name)
        for checkpoint in model_checkpoints(cfg.model):
            _, folder, origin, file = checkpoint.split('/')
            before = Config.fromfile(ROOT / folder / f'{origin}.py')
            assert file == f'iter_{before.train_cfg.max_iters}.pth', name
            if origin.startswith('sfm'):
                assert same_network(before.model.sfm.flow_net, cfg.model.sfm.flow_net)


def test_papers_values_of_sfc():
    """Implementation details; iterations as published, and SFM's as it trains FlowNet."""
    for source, tags in (('viper', ('', 'tpl-')), ('synthia', ('', 'tpl-'))):
        cfg = Config.fromfile(ROOT / f'sfc/sfm_{source}.py')
        optimizer = cfg.optim_wrapper.optimizer
        assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('Adam', 1e-4, 4e-4)
        assert cfg.train_cfg.max_iters == 80000
        for tag in tags:
            first, second = (
                Config.fromfile(ROOT / f'sfc/accel_{source}2city_{tag}stage{s}.py') for s in (1, 2)
            )
            # That of TPS, which is 0.1 on VIPER; SFC's paper does not say.
            pseudo_weight = dict(viper=0.1, synthia=1)[source] if tag else 0
            for cfg, iterations, rate, weight in (
                (first, 120000, 2.5e-4, 0.005),
                (second, 160000, 5e-4, 0.001),
            ):
                optimizer = cfg.optim_wrapper.optimizer
                assert (
                    optimizer.type,
                    optimizer.lr,
                    optimizer.momentum,
                    optimizer.weight_decay,
                ) == ('SGD', rate, 0.9, 5e-4)
                assert cfg.train_cfg.max_iters == iterations
                model = cfg.model
                assert (model.flow_weight, model.softmax_scale) == (weight, 100)
                assert model.get('pseudo_weight', 0) == pseudo_weight
                assert not [
                    t for t in cfg.train_dataloader.dataset.source.pipeline if t.type == 'LoadFlow'
                ]
            # Which parameter gets which rate, and when: tests/test_releases.py.
            assert 'paramwise_cfg' not in second.optim_wrapper
            assert (first.model.student.stage, second.model.student.stage) == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize('net, kind', [('dff', 'DFF'), ('distortion-aware', 'DistortionAwareVSS')])
def test_rows_of_the_other_video_nets(net, kind):
    """SFC, table 4: what is trained on Accel, on another net from that net's source-only model.

    The small nets take the flow of the clips, as the small Accel does.
    """
    tags = dict(davsn=('', '_source-free'), tps=('', '_source-free'), sfc=('', '_tpl'))
    for data in ('-r18_miniviper2minicity', '-r18_camvid-day2dusk', '_viper2city', '_synthia2city'):
        small = 'r18' in data
        methods = ('source_only', 'oracle', 'davsn', 'tps') + (('adabn', 'sfc') if small else ())
        for method in methods:
            for tag in tags.get(method, ('',)):
                names = ('shared-accel' if method == 'sfc' else 'accel', net)
                accel, cfg = (
                    Config.fromfile(ROOT / f'{method}/{name}{data}{tag}.py').to_dict()
                    for name in names
                )
                student = cfg['model'].pop('student')
                segmentor = accel['model'].pop('student')['segmentor']
                if not small:
                    # The rows are of SFC's table 4: its network and not that of DA-VSN's Accel.
                    assert student.pop('flow_net')['type'] == 'FlowNetS'
                    segmentor = Config.fromfile(ROOT / f'sfc/accel{data}_stage1.py').to_dict()[
                        'model'
                    ]['student']['segmentor']
                assert student == dict(
                    type=kind,
                    segmentor=segmentor,
                    padding_mode='border',
                    **(dict(allow_random_init=True) if small else {}),
                )
                source = accel['model'].get('source_checkpoint')
                if source is not None:
                    accel['model']['source_checkpoint'] = source.replace('accel', net)
                    if not small:
                        accel['model']['source_checkpoint'] = (
                            f'work_dirs/source_only/{net}{data}/iter_80000.pth'
                        )
                if not small and method in ('source_only', 'oracle'):
                    # And trained as SFC trains its source models.
                    accel |= Config.fromfile(ROOT / '_base_/schedules/sfc_stage1_80k.py').to_dict()
                # Variables of the files of networks, which nothing reads.
                for key in ('segmentor', 'num_classes'):
                    accel.pop(key, None)
                    cfg.pop(key, None)
                assert cfg == accel


@pytest.mark.parametrize('source', ['viper', 'synthia'])
@pytest.mark.parametrize('tag', ['', '_tpl'])
@pytest.mark.parametrize('net, kind', [('dff', 'DFF'), ('distortion-aware', 'DistortionAwareVSS')])
def test_sfc_on_the_other_video_nets(net, kind, tag, source):
    """SFC, table 4: stage one of Accel with another net, whose frames come in clips."""
    accel, cfg = (
        Config.fromfile(ROOT / f'sfc/{name}.py').to_dict()
        for name in (
            f'accel_{source}2city_{tag[1:]}{"-" * bool(tag)}stage1',
            f'{net}_{source}2city{tag}',
        )
    )
    given, student = accel['model'].pop('student'), cfg['model'].pop('student')
    assert student == dict(
        type=kind, segmentor=given['segmentor'], flow_net=given['flow_net'], padding_mode='border'
    )
    lengths = {
        domain: cfg['train_dataloader']['dataset'][domain].pop('clip_length')
        for domain in ('source', 'target')
    }
    assert lengths == dict(source=2, target=3)
    accel['train_dataloader']['dataset']['source'].pop('clip_length')
    assert cfg == accel


def test_raft_in_every_place():
    """SFC, table 5: the flow branch, the frozen network and SFM."""
    raft = dict(type='MMFlowNet', config='raft_8xb2_100k_flyingchairs-368x496')
    for stage in ('source-stage2', 'stage1', 'stage2'):
        model = Config.fromfile(ROOT / f'sfc/accel-raft_viper2city_{stage}.py').model
        networks = [model.student.flow_net]
        if model.type == 'SFC':
            networks += [model.sfm.flow_net, model.flow.flow_net]
        assert all(same_network(network, raft) for network in networks)
    model = Config.fromfile(ROOT / 'sfc/sfm-raft_viper.py').model
    assert same_network(model.sfm.flow_net, raft) and same_network(model.flow.flow_net, raft)


def test_raft_is_one_override_away():
    """As configs/_base_/models/dff_deeplabv2-r101.py says (SFC, table 5)."""
    cfg = Config.fromfile(ROOT / 'tps/dff_viper2city.py')
    cfg.merge_from_dict(
        {
            'model.student.flow_net._delete_': True,
            'model.student.flow_net.type': 'MMFlowNet',
            'model.student.flow_net.config': 'raft_8xb2_100k_flyingchairs-368x496',
        }
    )
    assert cfg.model.student.flow_net == dict(
        type='MMFlowNet', config='raft_8xb2_100k_flyingchairs-368x496'
    )
