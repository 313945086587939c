"""Entropy and divergence, by hand."""
import math

import pytest
import torch

from mmdavss.losses import PseudoLabelRegulariser


def test_by_hand():
    """Two classes; probabilities 1/2, 1/2 and 4/5, 1/5 without, 2/3, 1/3 with a label."""
    scores = torch.tensor([[0., math.log(4), math.log(2)], [0., 0., 0.]])[None, :, None]
    losses = PseudoLabelRegulariser(3., 0.1)(scores, torch.tensor([[[255, 255, 0]]]))
    entropies = math.log(2), -(0.8 * math.log(0.8) + 0.2 * math.log(0.2))
    assert losses['loss_entropy'].item() == pytest.approx(3 * sum(entropies) / 2, rel=1e-5)
    assert losses['loss_kld'].item() == pytest.approx(
        0.1 * -(math.log(2 / 3) + math.log(1 / 3)) / 2, rel=1e-5)


@pytest.mark.parametrize('label, zero', [(255, 'loss_kld'), (1, 'loss_entropy')])
def test_no_such_pixel(label, zero):
    scores = torch.randn(1, 3, 2, 2).requires_grad_()
    losses = PseudoLabelRegulariser()(scores, torch.full((1, 2, 2), label))
    sum(losses.values()).backward()
    assert losses[zero].item() == 0 and torch.isfinite(scores.grad).all()
