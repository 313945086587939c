"""Defaults that stand for a value of a paper or its release: who leaves them out gets those.

What full-size configs say is compared in ``tests/test_releases.py``.
"""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from mmdavss.losses import STPLLoss, TubeDiceLoss, tube_dice_loss
from mmdavss.modules import ClassStatistics

DEFAULTS = {
    # FDA's release, but for the divisor, which is that of its number of classes.
    'RobustEntropyLoss': dict(eta=2.0, epsilon=1e-8, normaliser=None, loss_weight=1.0),
    # IAST's code, per pixel and class.
    'PseudoLabelRegulariser': dict(entropy_weight=3.0, kld_weight=0.1),
    # HCL's release; UR's and MinEnt's entropy; LD's release.
    'HistoricalContrastLoss': dict(temperature=0.07, margin=0.1, loss_weight=0.5),
    'EntropyLoss': dict(normalised=True, loss_weight=1.0),
    'NegativeLearning': dict(width=3, entropy_weight=1.0, negative_weight=1.0),
    # A loss weighs as much as its equation says.
    'TemporalConsistencyLoss': dict(loss_weight=1.0),
    'TubeDiceLoss': dict(loss_weight=1.0),
    'FlowEPELoss': dict(loss_weight=1.0),
    'STPLLoss': dict(temperature=0.07, denominator='negatives', loss_weight=1.0),
    # SePiCo: tau = 100, both terms of equation 20 with weight 1, the sign as printed.
    'ProtoCLLoss': dict(temperature=100.0, loss_weight=1.0, reg_weight=1.0, reg_sign=1),
    'DistCLLoss': dict(temperature=100.0, loss_weight=1.0, reg_weight=1.0, reg_sign=1),
    'BankCLLoss': dict(temperature=100.0, loss_weight=1.0, negatives='exp_of_mean'),
}


@pytest.mark.parametrize('kind', DEFAULTS)
def test_defaults(kind):
    module = MODELS.build(dict(type=kind))
    assert {name: getattr(module, name) for name in DEFAULTS[kind]} == DEFAULTS[kind]


def test_least_denominator_of_the_dice():
    """It is only there for 0 / 0: one labelled pixel is above it, a class without label has 0."""
    p = torch.full((1, 1, 1, 1, 1), 1e-4, dtype=torch.float64)
    loss = tube_dice_loss(p, torch.zeros(1, 1, 1, 1, dtype=torch.long))
    assert loss.item() == pytest.approx(1 - 2e-4 / (1 + 1e-8), rel=1e-12)
    p = torch.full((1, 1, 2, 1, 1), 0.1, dtype=torch.float64)
    loss = tube_dice_loss(p, torch.zeros(1, 1, 1, 1, dtype=torch.long), present_only=False)
    # Class 1: squares of 0.01, no overlap.
    assert loss.item() == pytest.approx(1 - 0.2 / 1.01 + 1, rel=1e-12)
    loss = tube_dice_loss(p * 0, torch.zeros(1, 1, 1, 1, dtype=torch.long), present_only=False)
    assert loss.item() == 2


@pytest.mark.parametrize('present_only', [True, False])
def test_tube_dice_module_hands_its_options_on(present_only):
    scores = torch.randn(1, 2, 4, 3, 3)
    labels = torch.randint(2, (1, 2, 3, 3))  # classes 2 and 3 are absent: a constant of 1 each
    loss = TubeDiceLoss(present_only=present_only)(scores, labels)
    present = TubeDiceLoss()(scores, labels)
    assert (loss - present).item() == pytest.approx(0 if present_only else 2, abs=1e-6)


def test_ignored_label_among_the_classes():
    """`ignore_index` may be the number of a class: it is left out as 255 is by default."""
    torch.manual_seed(0)
    q, k = (F.normalize(torch.randn(1, 12, 4), dim=2) for _ in range(2))
    labels = torch.arange(12)[None] % 3
    loss = STPLLoss(ignore_index=1)(q, k, labels, labels, 3)
    expected = STPLLoss()(q, k, *[labels.masked_fill(labels == 1, 255)] * 2, 3)
    torch.testing.assert_close(loss, expected)
    assert loss != STPLLoss()(q, k, labels, labels, 3)

    statistics = ClassStatistics(3, 4, bank_size=5)
    statistics.update(torch.randn(50, 4), torch.randint(3, (50,)))
    features, labels = F.normalize(torch.randn(1, 4, 6, 6), dim=1), torch.randint(3, (1, 6, 6))
    for kind in ('ProtoCLLoss', 'BankCLLoss', 'DistCLLoss'):
        ours = MODELS.build(dict(type=kind, ignore_index=1))(features, labels, statistics)
        theirs = MODELS.build(dict(type=kind))(
            features, labels.masked_fill(labels == 1, 255), statistics
        )
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name], msg=f'{kind} {name}')


def test_regulariser_of_one_pixel():
    """Its mean is the pixel itself, not half of it."""
    statistics = ClassStatistics(3, 4)
    statistics.update(torch.randn(50, 4), torch.randint(3, (50,)))
    pixel = F.normalize(torch.randn(1, 4, 1, 1), dim=1)
    module = MODELS.build(dict(type='ProtoCLLoss', temperature=1.0))
    one = module(pixel, torch.zeros(1, 1, 1, dtype=torch.long), statistics)
    two = module(pixel.expand(-1, -1, 1, 2), torch.zeros(1, 1, 2, dtype=torch.long), statistics)
    torch.testing.assert_close(one['loss_reg'], two['loss_reg'])
