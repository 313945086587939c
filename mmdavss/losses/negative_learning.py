"""Negative learning: what a pixel is not (LD, You et al., ACM Multimedia 2021)."""

from __future__ import annotations

import math

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import at_least_float32

from .entropy import entropy_loss


def negative_learning_loss(scores: Tensor, rank: int) -> Tensor:
    """Mean over all pixels of -log(1 - p), p being the probability of the class of a rank.

    Args:
        scores: (N, K, H, W), before the softmax.
        rank: The complementary label of a pixel is its class of this rank, 1 for the most
            probable one.

    Returns:
        Scalar, float32 at least. A class of probability 0.99999 or more gets no gradient.
    """
    scores = at_least_float32(scores)
    complementary = scores.detach().topk(rank, dim=1).indices[:, -1:]
    probability = scores.softmax(1).gather(1, complementary)
    return -(1 - probability).clamp(min=1e-5).log().mean()


@MODELS.register_module()
class NegativeLearning(nn.Module):
    """What LD adds to the cross-entropy with pseudo-labels: its ``regulariser``.

    The rank of the complementary labels is drawn anew in each iteration, around the middle of the
    K classes: K / 2 plus or minus `width`.

    Args:
        width: Largest distance of the rank from K / 2, rounded down.
        entropy_weight: Factor of the entropy, in nats, of all pixels.
        negative_weight: Factor of the loss of the complementary labels.
    """

    def __init__(
        self, width: int = 3, entropy_weight: float = 1.0, negative_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.width = width
        self.entropy_weight = entropy_weight
        self.negative_weight = negative_weight

    def forward(self, scores: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Losses ``loss_entropy`` and ``loss_negative``.

        Args:
            scores: (N, K, H, W), before the softmax.
            labels: Not used: labelled pixels count like the others.

        Raises:
            ValueError: If `width` allows ranks that there are not.
        """
        middle = scores.shape[1] // 2
        if not 0 <= self.width < middle:
            raise ValueError(
                f'NegativeLearning: width={self.width} must be in [0, {middle}) with '
                f'{scores.shape[1]} classes.'
            )
        # Of the host's generator: no waiting.
        rank = int(torch.randint(middle - self.width, middle + self.width + 1, ()))
        return dict(
            loss_entropy=self.entropy_weight * math.log(scores.shape[1]) * entropy_loss(scores),
            loss_negative=self.negative_weight * negative_learning_loss(scores, rank),
        )
