"""Temporal consistency: by hand. The published numbers are in tests/methods/test_davsn.py."""

import pytest
import torch

from mmdavss.losses import TemporalConsistencyLoss, temporal_consistency_loss


def test_by_hand():
    """Four pixels: more certain than now, less certain, equally certain, not reached."""
    now = torch.tensor([0.6, 0.9, 0.75, 0.6]).requires_grad_()
    before = torch.tensor([0.1, 0.7, 0.25, 0.0]).requires_grad_()  # 1 - 0.75: the same entropy
    reached = torch.tensor([True, True, True, False])[None, None, None]

    def maps(p):
        return torch.stack([p, 1 - p])[None, :, None]

    loss = temporal_consistency_loss(maps(now), maps(before), reached)
    assert loss.item() == pytest.approx((0.5 + 0.5) / 8)
    loss.backward()
    assert before.grad is None
    assert now.grad.tolist() == pytest.approx([2 / 8, 0, 0, 0])
    module = TemporalConsistencyLoss(loss_weight=0.5)
    assert module(maps(now), maps(before), reached).item() == pytest.approx(0.5 / 8)
