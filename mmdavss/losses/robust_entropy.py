"""Robust entropy of predictions (FDA)."""

from __future__ import annotations

import math

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import at_least_float32


def robust_entropy(
    scores: Tensor, eta: float = 2.0, epsilon: float = 1e-8, normaliser: float | None = None
) -> Tensor:
    """Charbonnier penalty of the entropy: the mean of (h^2 + epsilon)^eta (FDA).

    It is flatter than the entropy h at confident pixels and steeper at uncertain ones.

    Args:
        scores: (N, K, h, w), before the softmax. FDA's release takes them at their own resolution.
        eta: Exponent, 2 in the release.
        epsilon: 1e-8 in the release, 0.001^2 in the paper.
        normaliser: What the entropy, in nats, is divided by. None: its largest value, ln K. The
            release has 2.9444 for any K, the logarithm of its 19 classes; the paper divides by
            nothing: 1.

    Returns:
        Scalar mean over the pixels, at least float32.
    """
    logs = at_least_float32(scores).log_softmax(1)
    entropy = -(logs.exp() * logs).sum(1) / (normaliser or math.log(scores.shape[1]))
    return torch.pow(entropy.square() + epsilon, eta).mean()


@MODELS.register_module()
class RobustEntropyLoss(nn.Module):
    """:func:`robust_entropy` with a factor.

    Args:
        eta: Exponent.
        epsilon: Added to the squared entropy.
        normaliser: Divisor of the entropy, None for ln K.
        loss_weight: Factor.

    Raises:
        ValueError: If `eta` or `normaliser` is not above 0.
    """

    def __init__(
        self,
        eta: float = 2.0,
        epsilon: float = 1e-8,
        normaliser: float | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        for name, value in dict(eta=eta, normaliser=normaliser).items():
            if value is not None and value <= 0:
                raise ValueError(f'RobustEntropyLoss: {name}={value} must be above 0.')
        self.eta = eta
        self.epsilon = epsilon
        self.normaliser = normaliser
        self.loss_weight = loss_weight

    def forward(self, scores: Tensor) -> Tensor:
        """Scalar loss of scores (N, K, h, w)."""
        return self.loss_weight * robust_entropy(scores, self.eta, self.epsilon, self.normaliser)
