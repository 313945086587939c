"""Robust entropy: FDA's release, values and gradients."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdavss.losses import RobustEntropyLoss, robust_entropy
from tests.shipped import shipped_config

GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/rivals_fda_entropy.npz')


def scores():
    return torch.from_numpy(GOLDEN['scores']).requires_grad_()


@pytest.mark.parametrize('eta', [1.5, 2.0])
def test_equals_the_release(eta):
    """It divides by 2.9444, whatever the number of classes."""
    x = scores()
    loss = robust_entropy(x, eta, normaliser=float(GOLDEN['normaliser_in_release']))
    torch.testing.assert_close(
        loss.item(), GOLDEN[f'entropy_loss_eta{eta}'].item(), rtol=1e-6, atol=0
    )
    loss.backward()
    gradient = torch.from_numpy(GOLDEN[f'entropy_grad_eta{eta}'])
    torch.testing.assert_close(x.grad, gradient, rtol=0, atol=1e-6 * gradient.abs().max().item())


def test_the_shipped_loss():
    """0.005 times the release's, of its own exponent."""
    cfg = shipped_config('fda/accel_viper2city').model.entropy
    loss = RobustEntropyLoss(**{k: v for k, v in cfg.items() if k != 'type'})
    loss.normaliser = 2.9444
    x = scores()
    value = loss(x)
    torch.testing.assert_close(
        value.item(), 0.005 * GOLDEN['entropy_loss_eta2.0'].item(), rtol=1e-6, atol=0
    )
    value.backward()
    gradient = 0.005 * torch.from_numpy(GOLDEN['entropy_grad_eta2.0'])
    torch.testing.assert_close(x.grad, gradient, rtol=0, atol=1e-6 * gradient.abs().max().item())


@pytest.mark.parametrize('classes', [2, 15])
def test_bounds(classes):
    """1 for a uniform prediction, with any number of classes; 0 for a certain one."""
    uniform = torch.zeros(1, classes, 2, 3, dtype=torch.float64)
    assert robust_entropy(uniform, 2.0).item() == pytest.approx(1, rel=1e-7)
    certain = uniform.clone()
    certain[:, 1] = 1000
    assert robust_entropy(certain, 2.0).item() == pytest.approx(0, abs=1e-15)
    assert robust_entropy(uniform, 1.0, 0.0, 1.0).item() == pytest.approx(
        math.log(classes) ** 2, rel=1e-12
    )


@pytest.mark.parametrize('option', ['eta', 'normaliser'])
def test_values_that_cannot_be(option):
    with pytest.raises(ValueError, match=f'RobustEntropyLoss: {option}=0 must be above 0'):
        RobustEntropyLoss(**{option: 0})
