"""Pixel-wise discrimination distance (SePiCo, equation 21)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class PixelDiscrimination:
    """PDD of each class: similarity of pixels to their own class mean relative to the others.

    Equation 21, with the pixels Lambda_k of class k, their mean feature mu_k and the cosine sim::

        PDD(k) = 1/|Lambda_k| sum_{x in Lambda_k} sim(x, mu_k) / sum_{i != k} sim(x, mu_i)

    Higher is better. Needs two passes over the same data: first :meth:`add_to_means` with all of
    it, then :meth:`add`. Sums are in float64. A pixel whose denominator is not above `eps` has no
    meaningful ratio (the sign would flip): it is left out and counted. A class without pixels is
    absent from the means and the result.

    Args:
        num_classes: Number of classes, K.
        channels: Number of channels, A.
        eps: Smallest denominator.
        ignore_index: Label of pixels to ignore.
    """

    def __init__(
        self, num_classes: int, channels: int, eps: float = 1e-3, ignore_index: int = 255
    ) -> None:
        self.eps = eps
        self.ignore_index = ignore_index
        self.sums = torch.zeros(num_classes, channels, dtype=torch.float64)
        self.counts = torch.zeros(num_classes, dtype=torch.float64)
        self.ratios = torch.zeros(num_classes, dtype=torch.float64)
        self.used = torch.zeros(num_classes, dtype=torch.float64)
        self.left_out = 0

    def _rows(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        rows = features.transpose(0, 1).flatten(1).T.double().cpu()
        labels = labels.flatten().cpu()
        kept = labels != self.ignore_index
        return rows[kept], labels[kept]

    def add_to_means(self, features: Tensor, labels: Tensor) -> None:
        """First pass, over features (N, A, h, w) and labels (N, h, w)."""
        rows, labels = self._rows(features, labels)
        self.sums.index_add_(0, labels, rows)
        self.counts.index_add_(0, labels, torch.ones_like(rows[:, 0]))

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Second pass, over the same features (N, A, h, w) and labels (N, h, w)."""
        rows, labels = self._rows(features, labels)
        present = self.counts > 0
        means = F.normalize(self.sums / self.counts.clamp(min=1)[:, None], dim=1)
        similarity = F.normalize(rows, dim=1) @ means.T
        own = similarity.gather(1, labels[:, None])[:, 0]
        others = similarity[:, present].sum(1) - own
        good = others > self.eps
        self.left_out += int((~good).sum())
        self.ratios.index_add_(0, labels[good], own[good] / others[good])
        self.used.index_add_(0, labels[good], torch.ones_like(own[good]))

    def result(self) -> tuple[Tensor, float]:
        """PDD of each class (K,), NaN for absent ones, and the share of pixels left out."""
        share = self.left_out / max(1.0, float(self.counts.sum()))
        return self.ratios / self.used.where(self.used > 0, torch.nan), share
