"""Losses of CBST, CRST and CCM against their releases, with the weights of shipped configs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.losses import cross_entropy, soft_cross_entropy

GOLDEN = Path(__file__).parents[1] / 'data/golden'


def arrays(name):
    golden = {key: np.asarray(value) for key, value in np.load(GOLDEN / name).items()}
    scores = torch.from_numpy(golden['logits']).requires_grad_()
    return golden, scores


def assert_equal(loss, scores, value, gradient):
    loss.backward()
    assert loss.item() == pytest.approx(float(value), rel=1e-5)
    np.testing.assert_allclose(scores.grad, gradient, rtol=0, atol=1e-5 * np.abs(gradient).max())


def test_cbst():
    golden, scores = arrays('rivals_crst_losses.npz')
    labels = torch.from_numpy(golden['label']).long()
    assert_equal(cross_entropy(scores, labels), scores, golden['cbst_loss'], golden['cbst_grad'])


@pytest.mark.parametrize('released', [True, False])
def test_mrkld(released):
    """The release multiplies its weight, 0.1, by itself; the paper does not."""
    golden, scores = arrays('rivals_crst_losses.npz')
    labels = torch.from_numpy(golden['label']).long()
    target = torch.from_numpy(golden['sample_weight']) > 0
    cfg = Config.fromfile('configs/crst/mrkld_effnet-lite0_mini.py').model.regulariser
    assert cfg.kld_weight == pytest.approx(0.1**2)
    cfg.kld_weight = float(golden['mr_weight_kld'])
    if released:
        cfg.kld_weight *= float(golden['sample_weight'].max())
    regulariser = MODELS.build(cfg)(scores[target], labels[target])
    assert not regulariser['loss_entropy']
    loss = cross_entropy(scores, labels) + regulariser['loss_kld']
    if released:
        assert_equal(loss, scores, golden['mrkld_loss'], golden['mrkld_grad'])
    else:
        expected = golden['mrkld_loss_if_sample_weight_were_one']
        assert loss.item() == pytest.approx(float(expected), rel=1e-5)


def test_lrent():
    """All classes are soft labels here."""
    golden, scores = arrays('rivals_crst_losses.npz')
    shares = torch.from_numpy(golden['soft_label'])
    classes = torch.arange(shares.shape[1])[:, None, None].expand_as(shares)
    loss = soft_cross_entropy(scores, classes, shares, shares.sum(1) > 0)
    assert_equal(loss, scores, golden['lrent_loss'], golden['lrent_grad'])


def test_no_soft_label():
    scores = torch.randn(1, 3, 2, 2, requires_grad=True)
    classes = torch.zeros(1, 3, 2, 2, dtype=torch.long)
    labelled = torch.zeros(1, 2, 2, dtype=torch.bool)
    loss = soft_cross_entropy(scores, classes, torch.ones(1, 3, 2, 2), labelled)
    assert loss == 0 and torch.autograd.grad(loss, scores)[0].eq(0).all()
