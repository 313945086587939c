"""Measures of class separation in a feature space (STPL, figures 6 to 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Variances(NamedTuple):
    """Variance within classes (lower is better) and between them (higher is better)."""

    intra: float
    inter: float

    @property
    def ratio(self) -> float:
        """inter / intra, independent of the scale of the features."""
        return self.inter / self.intra if self.intra else float('inf')


def class_variances(features: Tensor, labels: Tensor) -> Variances:
    """Intra-class and inter-class variance of features.

    The paper gives no formula. With features x normalised to length 1, the mean mu_c of each of the
    M classes that occur, and the mean mu of these means::

        intra = 1/M sum_c mean_{x in c} |x - mu_c|^2,    inter = 1/M sum_c |mu_c - mu|^2

    Every class has the same weight, however many pixels it has.

    Args:
        features: (P, A), not necessarily normalised.
        labels: (P,), classes.
    """
    rows = F.normalize(features.double(), dim=1)
    groups = [rows[labels == k] for k in labels.unique()]
    means = torch.stack([group.mean(0) for group in groups])
    intra = torch.stack(
        [(group - mean).square().sum(1).mean() for group, mean in zip(groups, means, strict=True)]
    ).mean()
    inter = (means - means.mean(0)).square().sum(1).mean()
    return Variances(intra.item(), inter.item())


def neighbour_purity(
    features: Tensor, labels: Tensor, ks: Sequence[int], chunk: int = 1024
) -> tuple[dict[int, float], list[int]]:
    """Share of pixels of the same class among the k nearest neighbours of each pixel (figure 7).

    Neighbours are ranked by cosine similarity; a pixel is not its own neighbour. If all M classes
    have equally many pixels, chance level is about 1/M.

    Args:
        features: (P, A).
        labels: (P,), classes.
        ks: Numbers of neighbours.
        chunk: Number of pixels whose similarities to all others are in memory at a time.

    Returns:
        The mean share for each k, 0 to 1, and the classes that were left out because they have
        fewer than max(ks) + 1 pixels: not even a perfect feature space would reach 1 for them.

    Raises:
        ValueError: If fewer than two classes are left, or some k is not positive.
    """
    if min(ks) < 1:
        raise ValueError(f'neighbour_purity: ks={list(ks)} must be positive')
    most = max(ks)
    classes, counts = labels.unique(return_counts=True)
    dropped = classes[counts < most + 1]
    kept = ~torch.isin(labels, dropped)
    if len(classes) - len(dropped) < 2:
        raise ValueError(
            f'neighbour_purity: {len(classes) - len(dropped)} of {len(classes)} '
            f'classes have the {most + 1} pixels that {most} neighbours need: ask '
            'for fewer neighbours, or use more frames'
        )
    rows, labels = F.normalize(features[kept], dim=1), labels[kept]
    shares = torch.zeros(most, dtype=torch.float64)
    for start in range(0, len(rows), chunk):
        part = slice(start, start + chunk)
        similarity = rows[part] @ rows.T
        own = torch.arange(len(similarity), device=rows.device)
        similarity[own, own + start] = -torch.inf
        nearest = similarity.topk(most, dim=1).indices
        same = (labels[nearest] == labels[part, None]).double()
        shares += same.sum(0).cpu()
    shares = shares.cumsum(0) / len(rows)
    return {k: (shares[k - 1] / k).item() for k in ks}, dropped.tolist()
