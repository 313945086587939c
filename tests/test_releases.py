"""Full-size configs have the values of their releases (tests/data/releases.json, releases.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS, PARAM_SCHEDULERS
from torch import nn

from tests.quick import linear_parameter_groups, no_first_values
from tests.releases import (
    entries,
    entries_of,
    folders,
    full_size,
    readme,
    released,
    resolved,
    same,
    value_at,
    with_table,
)

pytestmark = pytest.mark.sampled
RATES = dict(np.load(Path(__file__).parent / 'data/golden/release_schedules.npz'))
CASES = [(config, name) for config in full_size() for name in entries_of(config)]
#: Iterations at which schedules are compared, besides those of the golden arrays.
EARLY = [0, 1, 2, 700, 1499, 1500]


@pytest.fixture(scope='module', autouse=True)
def forgotten() -> Iterator[None]:
    """Models and optimisers do not outlive the module: forks of later tests would share them."""
    yield
    for cached in (meta_model, players, optimisers, stepped):
        cached.cache_clear()


def test_every_full_size_config_has_its_values():
    assert [config for config in full_size() if not entries_of(config)] == []


def test_no_entry_speaks_of_nothing():
    for name, entry in entries().items():
        for pattern in entry.get('configs', ()):
            assert any(name in entries_of(config) for config in full_size()), (name, pattern)
        assert entry.get('origin') or 'configs' not in entry, f'{name} says not where it is from'


def expected(entry: dict, path: str):
    """What a config has to say at a path, and whether that is a deviation."""
    deviation = entry['deviations'].get(path)
    return released(entry, path) if deviation is None else deviation['ours']


@pytest.mark.parametrize('config, name', CASES)
def test_values(config: str, name: str):
    entry, cfg = entries()[name], resolved(config)
    wrong = {}
    for path in entry['values']:
        ours = value_at(cfg, path)
        if not same(ours, expected(entry, path)):
            wrong[path] = (ours, expected(entry, path))
    assert not wrong, f'{config}: (config, {name})'


@pytest.mark.parametrize('name', entries())
def test_deviations_deviate(name: str):
    entry = entries()[name]
    for path, deviation in entry['deviations'].items():
        assert not same(deviation['ours'], released(entry, path)), f'{path} is as released'
        assert deviation['reason']


# ----------------------------------------------------------------- optimisers


@cache
def meta_model(model: str) -> nn.Module:
    init_default_scope('mmseg')
    with (
        torch.device('meta'),
        # MiT reads numbers out of the tensor that it makes for its drop path.
        patch('torch.linspace', partial(torch.linspace, device='cpu')),
        no_first_values(),
    ):
        return MODELS.build(json.loads(model))


@cache
def players(model: str, wrapper: str) -> dict[str, tuple[nn.Module, OptimWrapper]]:
    """Each player of a model on the meta device, and its optimiser; from the configs as JSON."""
    net = meta_model(model)
    with linear_parameter_groups():
        made = build_optim_wrapper(net, ConfigDict(json.loads(wrapper)))
    if isinstance(made, OptimWrapperDict):
        return {name: (getattr(net, name), own) for name, own in made.items()}
    return dict(model=(net, made))


@cache
def optimisers(config: str) -> dict[str, tuple[nn.Module, OptimWrapper]]:
    """Those of a config; configs that share model and optimiser share them."""
    cfg = resolved(config)
    return players(json.dumps(cfg.model.to_dict()), json.dumps(cfg.optim_wrapper.to_dict()))


def parts(config: str, player: str, known: list[str]) -> dict[str, list[dict]]:
    """The groups of the parameters of each part of a player; '?' for parameters of no part."""
    net, wrapper = optimisers(config)[player]
    names = {parameter: name for name, parameter in net.named_parameters()}
    found: dict[str, list[dict]] = {}
    for group in wrapper.optimizer.param_groups:
        for parameter in group['params']:
            if not parameter.requires_grad:
                continue
            name = names[parameter]
            part = max(
                (part for part in known if not part or f'{name}.'.startswith(f'{part}.')),
                key=len,
                default='?',
            )
            found.setdefault(part, []).append(group)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    'config, name', [(config, name) for config, name in CASES if entries()[name]['rates']]
)
def test_rates(config: str, name: str):
    """Which parameter gets which rate and weight decay."""
    entry = entries()[name]
    assert entry['rates'].keys() == optimisers(config).keys()
    for player, rates in entry['rates'].items():
        found = parts(config, player, list(rates))
        wrong = {}
        for part in rates:
            wanted = expected(entry, f'rates.{player}.{part}')
            ours = sorted({(g['lr'], g['weight_decay']) for g in found.pop(part, ())})
            wanted = [] if wanted is None else wanted if isinstance(wanted[0], list) else [wanted]
            if not same([list(pair) for pair in ours], sorted(wanted)):
                wrong[part] = (ours, wanted)
        assert not wrong, f'{config}, {player}: (config, {name})'
        assert '?' not in found, f'{config}, {player}: parameters of no part of {list(rates)}'


@cache
def stepped(schedulers: str, groups: tuple[tuple, ...], last: int) -> np.ndarray:
    """Rates (last + 1, groups) of every iteration."""
    init_default_scope('mmseg')
    optimiser = torch.optim.SGD(
        [
            dict(params=[nn.Parameter(torch.zeros(1))], lr=rate, constant_lr=constant)
            for rate, constant in groups
        ]
    )
    made = [
        PARAM_SCHEDULERS.build(cfg, default_args=dict(optimizer=optimiser))
        for cfg in json.loads(schedulers)
    ]
    rates = np.empty((last + 1, len(groups)))
    for iteration in range(last + 1):
        rates[iteration] = [group['lr'] for group in optimiser.param_groups]
        optimiser._opt_called = True  # what a step would say
        for scheduler in made:
            scheduler.step()
    return rates


def wanted_rates(schedule, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Iterations up to the last, and the release's rates there."""
    if isinstance(schedule, list):
        name, column = schedule
        at = RATES['iterations']
        rates = RATES[name] if RATES[name].ndim == 1 else RATES[name][:, column]
        return at[at <= last], rates[at <= last]
    if 'factor' in schedule:
        at = RATES['iterations']
        rates = schedule['base'] * RATES[schedule['factor']] / schedule.get('of', 1)
        return at[at <= last], rates[at <= last]
    at = np.array(sorted({*RATES['iterations'].tolist(), *EARLY}))
    at = at[at <= last]
    return at, schedule['base'] * (1 - at / schedule['horizon']) ** schedule['power']


@pytest.mark.slow
@pytest.mark.parametrize(
    'config, name', [(config, name) for config, name in CASES if entries()[name]['schedule']]
)
def test_schedules(config: str, name: str):
    """The rates of the iterations that train."""
    entry, cfg = entries()[name], resolved(config)
    last = cfg.train_cfg.max_iters - 1
    schedulers = cfg.get('param_scheduler') or []
    for player, schedules in entry['schedule'].items():
        found = parts(config, player, list(entry['rates'].get(player, schedules)))
        own = schedulers[player] if isinstance(schedulers, dict) else schedulers
        groups = {
            part: sorted(
                {(g.get('initial_lr', g['lr']), bool(g.get('constant_lr'))) for g in found[part]}
            )
            for part in schedules
        }
        flat = tuple(dict.fromkeys(group for part in groups.values() for group in part))
        rates = stepped(json.dumps([dict(s) for s in own]), flat, last)
        for part in schedules:
            at, wanted = wanted_rates(expected(entry, f'schedule.{player}.{part}'), last)
            assert len(at) >= 10
            for group in groups[part]:
                np.testing.assert_allclose(
                    rates[at, flat.index(group)],
                    wanted,
                    rtol=1e-7,
                    err_msg=f'{config}: {player}.{part}',
                )


# -------------------------------------------------------------------- READMEs


@pytest.mark.parametrize('folder', folders())
def test_readmes_have_the_table_of_deviations(folder: str):
    text = readme(folder).read_text()
    assert with_table(text, folder) == text, 'run python -m tests.releases'
