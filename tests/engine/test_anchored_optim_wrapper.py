from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS, PARAM_SCHEDULERS
from torch import nn

CONFIGS = Path(__file__).parents[2] / 'configs'


class Net(nn.Module):
    """A root with a part whose name stands in its student too."""

    def __init__(self) -> None:
        super().__init__()
        self.projection = nn.Linear(2, 2)
        self.student = nn.Module()
        self.student.head = nn.Linear(2, 2)
        self.student.projection = nn.Linear(2, 2)


def rates(custom_keys: dict, frozen: str | None = None) -> dict[str, float]:
    net = Net()
    if frozen is not None:
        net.get_submodule(frozen).requires_grad_(False)
    wrapper = build_optim_wrapper(
        net,
        dict(
            constructor='AnchoredOptimWrapperConstructor',
            type='OptimWrapper',
            optimizer=dict(type='SGD', lr=0.5, weight_decay=0.1),
            paramwise_cfg=dict(custom_keys=custom_keys) if custom_keys else None,
        ),
    )
    names = {parameter: name for name, parameter in net.named_parameters()}
    return {names[p]: g['lr'] for g in wrapper.optimizer.param_groups for p in g['params']}


def test_an_anchored_key_matches_from_the_root_only():
    found = rates({'^.projection': dict(lr_mult=10.0)})
    assert {name for name, rate in found.items() if rate == 5.0} == {
        'projection.weight',
        'projection.bias',
    }
    assert len(found) == 6


@pytest.mark.parametrize('custom_keys', [{}, {'^.projection': dict(lr_mult=10.0)}])
def test_what_is_frozen_is_not_in_the_optimiser(custom_keys):
    found = rates(custom_keys, frozen='student')
    assert found.keys() == {'projection.weight', 'projection.bias'}


def test_a_path_from_the_root():
    found = rates({'^.student.projection': dict(lr_mult=10.0)})
    assert {name for name, rate in found.items() if rate == 5.0} == {
        'student.projection.weight',
        'student.projection.bias',
    }


def test_other_keys_match_anywhere():
    found = rates({'projection': dict(lr_mult=10.0)})
    assert sum(rate == 5.0 for rate in found.values()) == 4


def test_a_key_keeps_what_else_it_says_in_the_group():
    net = Net()
    wrapper = build_optim_wrapper(
        net,
        dict(
            constructor='AnchoredOptimWrapperConstructor',
            type='OptimWrapper',
            optimizer=dict(type='SGD', lr=0.5),
            paramwise_cfg=dict(custom_keys={'^.student.head': dict(constant_lr=True)}),
        ),
    )
    constant = [
        g['params'][0].shape for g in wrapper.optimizer.param_groups if g.get('constant_lr')
    ]
    assert constant == [torch.Size([2, 2]), torch.Size([2])]


@pytest.mark.slow
@pytest.mark.parametrize('config', sorted(CONFIGS.glob('adabn/*.py')), ids=lambda path: path.stem)
def test_configs_that_train_nothing_have_an_optimiser(config):
    """Rates for parts of a model leave out what is fixed, and no optimiser takes an empty list."""
    cfg = Config.fromfile(config)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    for scheduler in cfg.param_scheduler:
        PARAM_SCHEDULERS.build(dict(scheduler, optimizer=wrapper))
