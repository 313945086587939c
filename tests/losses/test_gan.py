"""Adversarial losses, by hand and against the published ones."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdavss.losses import DomainGANLoss

GOLDEN = Path(__file__).parents[1] / 'data/golden/advent_entropy_adversarial.npz'


def test_by_hand():
    scores = torch.tensor([0.0, 2.0])
    vanilla, squares = DomainGANLoss(), DomainGANLoss('lsgan', loss_weight=0.5)
    assert vanilla(scores, True).item() == pytest.approx(
        (math.log(2) + math.log(1 + math.exp(-2))) / 2
    )
    assert vanilla(scores, False).item() == pytest.approx(
        (math.log(2) + math.log(1 + math.exp(2))) / 2
    )
    assert squares(scores, True).item() == pytest.approx(0.5 * (1 + 1) / 2)
    assert squares(scores, False).item() == pytest.approx(0.5 * (0 + 4) / 2)


def test_equals_the_published_loss():
    """ADVENT has 0 for the source and 1 for the target: the other way round."""
    with np.load(GOLDEN) as arrays:
        for domain in (0, 1):
            scores = torch.from_numpy(arrays['disc_out']).requires_grad_()
            loss = DomainGANLoss()(scores, bool(domain))
            torch.testing.assert_close(
                loss.item(), float(arrays[f'bce_label{domain}']), rtol=1e-5, atol=0
            )
            loss.backward()
            torch.testing.assert_close(
                scores.grad,
                torch.from_numpy(arrays[f'grad_bce_label{domain}']),
                rtol=1e-5,
                atol=1e-8,
            )


@pytest.mark.parametrize('kind', ['vanilla', 'lsgan'])
def test_labels_the_other_way_round(kind):
    scores = torch.randn(2, 3)
    for is_source in (True, False):
        assert torch.equal(
            DomainGANLoss(kind, source_label=0)(scores, is_source),
            DomainGANLoss(kind)(scores, not is_source),
        )
    with pytest.raises(ValueError, match='source_label=2 must be 0 or 1'):
        DomainGANLoss(kind, source_label=2)


def test_unknown_kind():
    with pytest.raises(ValueError, match="kind='w' is not one of"):
        DomainGANLoss('w')
