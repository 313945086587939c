"""CCM's loss against its release."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.methods import CCM

GOLDEN = Path(__file__).parents[1] / 'data/golden/rivals_ccm.npz'


@pytest.fixture
def model(accel):
    def make(**options) -> CCM:
        cfg = Config.fromfile('configs/ccm/effnet-lite0_mini.py').model
        cfg.student, cfg.source_checkpoint = accel, None
        return MODELS.build({**cfg, **options})

    return make


@pytest.mark.parametrize('released', [True, False])
@pytest.mark.parametrize('both', [True, False])
def test_loss(model, released, both, monkeypatch):
    """A batch of both domains is one of all their clips; the entropy is ours or theirs."""
    golden = dict(np.load(GOLDEN))
    scores = torch.from_numpy(golden['logits']).requires_grad_()
    labels = torch.from_numpy(golden['batch_label']).long()
    own = model(double_softmax=True) if released else model()
    monkeypatch.setattr(own, 'scores', lambda clip: scores[clip, None])
    monkeypatch.setattr(own, 'with_flow', lambda domain: domain)
    clips = list(range(len(scores)))
    half = len(clips) // 2 if both else 0
    parts = clips[:half], clips[half:]
    domains = [SimpleNamespace(clip=part, labels=labels[part]) for part in parts]
    batch = SimpleNamespace(source=domains[0], target=domains[1])
    if not half:
        monkeypatch.setattr('mmdavss.methods.ccm.labelled_share', lambda labels: labels.sum())
    groups = list(own.loss_groups(batch))
    assert [name.split('.')[0] for group in groups for name in group] == ['source'] * 3 + [
        'target'
    ] * 3
    total = sum(value for group in groups for name, value in group.items() if 'loss' in name)
    total.backward()
    if released:
        expected = golden['loss_grad']
        assert total.item() == pytest.approx(float(golden['loss_lamb05']), rel=1e-5)
        np.testing.assert_allclose(scores.grad, expected, atol=1e-5 * np.abs(expected).max())
    else:
        p = scores.detach().softmax(1)
        entropy = -(p * p.log()).sum(1).mean()
        ce = torch.nn.functional.cross_entropy(scores.detach(), labels, ignore_index=255)
        assert total.item() == pytest.approx(float(ce + 0.5 * entropy), rel=1e-6)


def test_entropy_of_the_release_says_little(model):
    """Of a sure prediction it is near that of a uniform one; ours is 0."""
    scores = torch.tensor([50.0, 0, 0, 0]).view(1, 4, 1, 1)
    assert model().entropy(scores).item() == pytest.approx(0, abs=1e-6)
    assert model(double_softmax=True).entropy(scores).item() > 0.5
