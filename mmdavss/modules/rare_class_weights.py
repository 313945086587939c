"""Weights of classes that are rare in a batch or in the batches before it (HCL)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmdavss.utils.distributed import mean_over_processes


class RareClassWeights(nn.Module):
    """Factors of the classes of pseudo-labels, as HCL's release has them.

    A class with few pixels in the batch (in those of all processes) has the factor `largest`, the
    others 1. Each is multiplied by a moving average of the same size, `largest` for batches
    without the class, so that a class that is rare and often missing weighs up to its square. The
    average is a buffer, in checkpoints.

    Args:
        num_classes: Number of classes K.
        pixels: Pixels per image below which a class is rare.
        largest: Factor of rare classes.
        momentum: Of the moving average.

    Raises:
        ValueError: If `largest` is below 1 or `momentum` not in [0, 1].
    """

    average: Tensor

    def __init__(
        self,
        num_classes: int,
        pixels: float = 64 * 64,
        largest: float = 7.0,
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        if largest < 1 or not 0 <= momentum <= 1:
            raise ValueError(
                f'RareClassWeights: largest={largest} must be 1 or more and momentum={momentum} '
                'in [0, 1].'
            )
        self.pixels = pixels
        self.largest = largest
        self.momentum = momentum
        self.register_buffer('average', torch.ones(num_classes))

    @torch.no_grad()
    def forward(self, labels: Tensor) -> Tensor:
        """Moves the average by a batch.

        Args:
            labels: (N, H, W), int64, classes or 255.

        Returns:
            Factors (K,).
        """
        seen = labels.flatten()
        counts = seen.new_zeros(256).scatter_add_(0, seen, torch.ones_like(seen))
        counts = mean_over_processes(counts[: len(self.average)].float())
        missing = torch.where(counts == 0, self.largest, 1.0)
        self.average.lerp_(missing.to(self.average), 1 - self.momentum)
        return torch.where(counts < self.pixels * len(labels), self.largest, 1.0) * self.average
