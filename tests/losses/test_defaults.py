"""Defaults that stand for a value of a paper or its release: who leaves them out gets those.

What full-size configs say is compared in ``tests/test_releases.py``.
"""
import pytest
from mmseg.registry import MODELS

DEFAULTS = {
    # IAST's code, per pixel and class.
    'PseudoLabelRegulariser': dict(entropy_weight=3., kld_weight=0.1),
    # A loss weighs as much as its equation says.
    'TemporalConsistencyLoss': dict(loss_weight=1.),
    'TubeDiceLoss': dict(loss_weight=1.),
    'FlowEPELoss': dict(loss_weight=1.),
    'STPLLoss': dict(temperature=0.07, denominator='negatives', loss_weight=1.),
    # SePiCo: tau = 100, both terms of equation 20 with weight 1, the sign as printed.
    'ProtoCLLoss': dict(temperature=100., loss_weight=1., reg_weight=1., reg_sign=1),
    'DistCLLoss': dict(temperature=100., loss_weight=1., reg_weight=1., reg_sign=1),
    'BankCLLoss': dict(temperature=100., loss_weight=1., negatives='exp_of_mean'),
}


@pytest.mark.parametrize('kind', DEFAULTS)
def test_defaults(kind):
    module = MODELS.build(dict(type=kind))
    assert {name: getattr(module, name) for name in DEFAULTS[kind]} == DEFAULTS[kind]
