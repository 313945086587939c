"""Entropy of predictions."""

from __future__ import annotations

import math

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.modules.domain_game import self_information


def entropy_loss(scores: Tensor) -> Tensor:
    """Mean over the pixels of the entropy of their class probabilities, divided by log K.

    MinEnt's loss (Vu et al., CVPR 2019, equation 2, as released: a mean, not a sum).

    Args:
        scores: (..., K, H, W), before the softmax.

    Returns:
        Scalar, float32 at least, from 0 to 1.
    """
    return self_information(scores).sum(-3).mean()


@MODELS.register_module()
class EntropyLoss(nn.Module):
    """:func:`entropy_loss` of all pixels, as the ``regulariser`` of self-training.

    Args:
        normalised: Whether the entropy is divided by log K; otherwise it is in nats.
        loss_weight: Factor.
    """

    def __init__(self, normalised: bool = True, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.normalised = normalised
        self.loss_weight = loss_weight

    def forward(self, scores: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Loss ``loss_entropy``.

        Args:
            scores: (N, K, H, W), before the softmax.
            labels: Not used: labelled pixels count like the others.
        """
        factor = 1.0 if self.normalised else math.log(scores.shape[1])
        return dict(loss_entropy=self.loss_weight * factor * entropy_loss(scores))
