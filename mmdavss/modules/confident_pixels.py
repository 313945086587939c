"""Most confident pixels of predictions, and the entropy of their classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdavss.utils.distributed import mean_over_processes


def most_confident(logits: Tensor, ratio: float, per_class: bool = False) -> tuple[Tensor, Tensor]:
    """Selects the most confident pixels of each image, with their predicted classes.

    The share is taken over all classes together (STPL's top-k, section 3.2) or within each
    predicted class, so that classes with low confidence keep their best pixels too. It is taken per
    image, so that it does not depend on how a batch is split over processes. All sizes follow from
    the input's shape: nothing synchronises with the device.

    Args:
        logits: Scores (N, K, h, w).
        ratio: Share k of the h*w pixels to keep, at least one pixel.
        per_class: Whether to keep the share of each class.

    Returns:
        Flat pixel positions (N, M) and classes (N, M), M = max(1, floor(ratio * h * w)).
    """
    confidence, labels = logits.flatten(2).float().softmax(1).max(1)
    if per_class:
        confidence = -_rank_in_class(confidence, labels, logits.shape[1])
    count = max(1, int(ratio * confidence.shape[1]))
    positions = confidence.topk(count, dim=1, sorted=False).indices
    return positions, labels.gather(1, positions)


def _rank_in_class(confidence: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Share (N, P) of the pixels of the same class that are more confident than each pixel."""
    # Sorted by class and, within a class, by confidence: a second, stable sort.
    falling = confidence.argsort(dim=1, descending=True)
    order = falling.gather(1, labels.gather(1, falling).argsort(dim=1, stable=True))
    counts = labels.new_zeros(len(labels), num_classes).scatter_add_(
        1, labels, torch.ones_like(labels)
    )
    starts = counts.cumsum(1) - counts
    classes = labels.gather(1, order)
    places = torch.arange(labels.shape[1], device=labels.device)
    rank = (places - starts.gather(1, classes)) / counts.gather(1, classes)
    return torch.empty_like(confidence).scatter_(1, order, rank)


@torch.no_grad()
def class_entropy(labels: Tensor, num_classes: int) -> Tensor:
    """Entropy of the classes' shares of `labels`, in nats: it falls when classes collapse."""
    share = mean_over_processes(F.one_hot(labels.flatten(), num_classes).float().mean(0))
    return -(share * share.clamp(min=1e-8).log()).sum()
