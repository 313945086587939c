"""Entropy and divergence, by hand and against IAST's code."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.losses import PseudoLabelRegulariser, clip_cross_entropy

GOLDEN = Path(__file__).parents[1] / 'data/golden/rivals_iast_regulariser.npz'
CONFIGS = sorted(
    path
    for path in (Path(__file__).parents[2] / 'configs/vat_vst').glob('vst_*.py')
    if not path.stem.endswith(('aggregated', 'class-balanced', '-adaptive'))
)


@pytest.mark.sampled
@pytest.mark.parametrize('config', CONFIGS, ids=lambda path: path.stem)
def test_shipped_weights_are_those_of_iast(config):
    """Cross-entropy and regulariser of each config that has one, against IAST's loss.

    The weights of IAST, 3.0 and 0.1, are in the golden arrays.
    """
    golden = np.load(GOLDEN)
    scores = torch.from_numpy(golden['logits']).requires_grad_()
    labels = torch.from_numpy(golden['label']).long()
    regulariser = MODELS.build(Config.fromfile(config).model.regulariser)
    losses = regulariser(scores, labels)
    assert losses['loss_entropy'].item() == pytest.approx(3 * golden['entropy_loss'], rel=1e-5)
    assert losses['loss_kld'].item() == pytest.approx(0.1 * golden['kld_loss'], rel=1e-5)
    total = clip_cross_entropy(scores[:, None], labels[:, None]) + sum(losses.values())
    total.backward()
    assert total.item() == pytest.approx(golden['total_3_0p1'], rel=1e-5)
    expected = golden['total_grad']
    np.testing.assert_allclose(scores.grad, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_by_hand():
    """Sums over pixels divided by pixels and classes.

    Two classes; probabilities 1/2, 1/2 and 4/5, 1/5 without, 2/3, 1/3 with a label.
    """
    scores = torch.tensor([[0.0, math.log(4), math.log(2)], [0.0, 0.0, 0.0]])[None, :, None]
    losses = PseudoLabelRegulariser(3.0, 0.1)(scores, torch.tensor([[[255, 255, 0]]]))
    entropies = math.log(2), -(0.8 * math.log(0.8) + 0.2 * math.log(0.2))
    assert losses['loss_entropy'].item() == pytest.approx(3 * sum(entropies) / 2 / 2, rel=1e-5)
    assert losses['loss_kld'].item() == pytest.approx(
        0.1 * -(math.log(2 / 3) + math.log(1 / 3)) / 2 / 2, rel=1e-5
    )


@pytest.mark.parametrize('label, zero', [(255, 'loss_kld'), (1, 'loss_entropy')])
def test_no_such_pixel(label, zero):
    scores = torch.randn(1, 3, 2, 2).requires_grad_()
    losses = PseudoLabelRegulariser()(scores, torch.full((1, 2, 2), label))
    sum(losses.values()).backward()
    assert losses[zero].item() == 0 and torch.isfinite(scores.grad).all()
