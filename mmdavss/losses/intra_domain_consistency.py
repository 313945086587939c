"""Intra-domain temporal consistency of predictions (DA-VSN)."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.modules.temporal_augmentation import normalised_entropy
from mmdavss.ops import at_least_float32


def temporal_consistency_loss(probabilities: Tensor, propagated: Tensor, reached: Tensor) -> Tensor:
    """Pulls predictions towards those of the previous frame where the latter are more certain.

    Args:
        probabilities: (N, K, h, w) of the current frame.
        propagated: (N, K, h, w) of the previous frame, propagated to the current one; gets no
            gradient.
        reached: (N, 1, h, w), bool, pixels reached by the propagation.

    Returns:
        Scalar, float32 at least: absolute difference where `propagated` has the lower entropy, 0
        elsewhere, averaged over pixels and classes.
    """
    probabilities, propagated = map(at_least_float32, (probabilities, propagated.detach()))
    certain = normalised_entropy(propagated) < normalised_entropy(probabilities.detach())
    return ((probabilities - propagated).abs() * (certain[:, None] & reached)).mean()


@MODELS.register_module()
class TemporalConsistencyLoss(nn.Module):
    """Module of :func:`temporal_consistency_loss`.

    Args:
        loss_weight: Factor.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, probabilities: Tensor, propagated: Tensor, reached: Tensor) -> Tensor:
        return self.loss_weight * temporal_consistency_loss(probabilities, propagated, reached)
