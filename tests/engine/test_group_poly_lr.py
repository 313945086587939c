from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS

# Computed with the functions of the releases, see the README of the arrays.
RATES = np.load(Path(__file__).parents[1] / 'data/golden/release_schedules.npz')


def steps(base_rates: list[float], constant: list[bool], last: int, **poly) -> np.ndarray:
    """Rates (iterations, groups) of the scheduler, up to iteration `last`."""
    groups = [
        dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=rate, constant_lr=kept)
        for rate, kept in zip(base_rates, constant, strict=True)
    ]
    optimiser = torch.optim.SGD(groups)
    scheduler = PARAM_SCHEDULERS.build(
        dict(type='GroupPolyLR', by_epoch=False, eta_min=0.0, begin=0, **poly),
        default_args=dict(optimizer=optimiser),
    )
    rates = []
    for _ in range(last + 1):
        rates.append([group['lr'] for group in optimiser.param_groups])
        optimiser.step()
        scheduler.step()
    return np.array(rates)


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, base',
    [
        ('davsn_and_tps_synthia_backbone_fusion_classifiers', 2.5e-4),
        ('tps_viper_backbone_fusion_classifiers', 1e-4),
    ],
)
def test_groups_of_the_advent_family(name: str, base: float):
    known = RATES['iterations'] < 40000
    at = RATES['iterations'][known]
    ours = steps(
        [base, 10 * base, 10 * base], [False, False, True], at.max(), power=0.9, end=250000
    )
    np.testing.assert_allclose(ours[at], RATES[name][known], rtol=1e-9)


def test_the_last_iteration_of_a_whole_decay_is_not_zero():
    ours = steps([1.0], [False], 99, power=1.0, end=100)
    np.testing.assert_allclose(ours[[0, 50, 99], 0], [1.0, 0.5, 0.01], atol=1e-12)
