"""Options of the command line whose keys nothing reads are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.launch import config_keys
from mmdavss.launch.config_file import load_config
from mmdavss.launch.config_keys import check_groups, unknown_keys
from mmdavss.utils.errors import UserError

CONFIG = 'configs/stpl/accel-r18_miniviper2minicity.py'


@pytest.fixture(scope='module')
def cfg() -> Config:
    return Config.fromfile(CONFIG)


@pytest.mark.parametrize(
    ('key', 'meant'),
    [
        ('modle.x', 'model.x'),
        ('optim_wraper.optimizer.lr', 'optim_wrapper.optimizer.lr'),
        ('optim_wrapper.optimiser.lr', 'optim_wrapper.optimizer.lr'),
        ('train_cfg.max_iter', 'train_cfg.max_iters'),
        ('train_dataloader.batchsize', 'train_dataloader.batch_size'),
        ('train_dataloader.dataset.target.data_rot', 'train_dataloader.dataset.target.data_root'),
        ('default_hooks.chekpoint.interval', 'default_hooks.checkpoint.interval'),
        ('default_hooks.checkpoint.intervall', 'default_hooks.checkpoint.interval'),
        ('randomness.sed', 'randomness.seed'),
        ('param_scheduler.0.powr', 'param_scheduler.0.power'),
        ('model.norm_evla', 'model.norm_eval'),
        ('val_dataloader.dataset.pipeline.1.scal', 'val_dataloader.dataset.pipeline.1.scale'),
    ],
)
def test_names_what_is_meant(key, meant, cfg):
    (warning,) = unknown_keys(cfg, [key])
    assert warning.startswith(f'--cfg-options {key}: nothing in ')
    assert warning.endswith(f'Did you mean {meant}?')


@pytest.mark.parametrize(
    ('key', 'place'), [('zzz.a', 'a config'), ('model.student.xyz', 'model.student (Accel)')]
)
def test_names_the_place_where_nothing_is_alike(key, place, cfg):
    (warning,) = unknown_keys(cfg, [key])
    assert f'{place} reads' in warning and 'The nearest known keys: ' in warning


@pytest.mark.parametrize(
    'key',
    [
        'work_dir',
        'resume',
        'load_from',
        'model.norm_eval',
        'model.source_checkpoint',
        'model.student.segmentor.backbone.norm_eval',
        'model.student.segmentor.pretrained',
        'model.student.segmentor.decode_head.norm_cfg.momentum',
        'optim_wrapper.loss_scale',
        'optim_wrapper.clip_grad.max_norm',
        'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult',
        'train_dataloader.num_workers',
        'test_evaluator.subset',
        'param_scheduler.0.convert_to_iter_based',
        'train_dataloader.dataset.target.sequences',
        'default_hooks.checkpoint.max_keep_ckpts',
    ],
)
def test_lets_what_is_read_pass(key, cfg):
    """Whether the config says it or only the class."""
    assert unknown_keys(cfg, [key]) == []


def test_classes_of_the_user(cfg):
    """Of a class with free arguments only what looks like a slip is told."""

    @MODELS.register_module(force=True)
    class Free:
        def __init__(self, threshold: float = 1.0, **kwargs) -> None:
            pass

    mine = Config(dict(model=dict(type='Free')))
    assert unknown_keys(mine, ['model.anything']) == []
    (warning,) = unknown_keys(mine, ['model.treshold', 'model.treshold.x'])
    assert 'model.threshold?' in warning
    MODELS.module_dict.pop('Free')


def parts(node: Any, place: list[str]) -> Iterator[tuple[Mapping, list[str]]]:
    if isinstance(node, Mapping):
        yield node, place
        for key, value in node.items():
            yield from parts(value, [*place, key])
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from parts(value, [*place, str(number)])


@pytest.mark.slow
@pytest.mark.parametrize(
    'path',
    [
        CONFIG,
        'configs/sepico/distcl_deeplabv2-r18_minigta2minicity.py',
        'configs/davsn/accel_viper2city.py',
        'configs/vat_vst/vst_deeplabv2-r50_viper2cityvps.py',
    ],
)
def test_knows_all_that_configs_say(path):
    """Nothing in them would be called unknown."""
    for node, place in parts(dict(Config.fromfile(path).items()), []):
        known, closed = config_keys._readers(node, place)
        if closed and place:
            assert {*node} <= {*known, *config_keys.TAKEN_OUT}, place


def test_tools_warn(monkeypatch):
    """Those with --cfg-options read their config with `load_config`."""
    told = []
    monkeypatch.setattr('mmdavss.launch.config_file.print_log', lambda text, **_: told.append(text))
    cfg = load_config(CONFIG, {'modle.x': 3, 'work_dir': 'run'}, None)
    assert len(told) == 1 and 'Did you mean model.x?' in told[0]
    assert cfg.modle == dict(x=3)  # refused is nothing


def test_a_work_dir_whose_name_is_a_number():
    assert load_config(CONFIG, dict(work_dir=20240713), None).work_dir == '20240713'


@pytest.mark.parametrize('key', ['model', 'model.student', 'train_dataloader'])
@pytest.mark.parametrize('value', [3, 'x', True])
def test_no_value_in_the_place_of_a_group(key, value, cfg):
    with pytest.raises(UserError, match=f'--cfg-options {key}={value}: .* {key}\\.'):
        check_groups(cfg, {key: value})
    check_groups(cfg, {key: None})
    check_groups(cfg, {key: {}})
