"""Selection of pseudo-labels."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def most_confident(logits: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    """The most confident pixels of each image and their predicted classes.

    The share is taken over all classes together (STPL's top-k, section 3.2), and separately in
    each image, so that it does not depend on how a batch is split over processes. All sizes
    follow from the input's shape: nothing waits for the device.

    Args:
        logits: Scores (N, K, h, w).
        ratio: Share k of the h*w pixels that is kept, at least one pixel.

    Returns:
        Flat pixel positions (N, M) and classes (N, M), M = max(1, floor(ratio * h * w)).
    """
    confidence, labels = logits.flatten(2).float().softmax(1).max(1)
    count = max(1, int(ratio * confidence.shape[1]))
    positions = confidence.topk(count, dim=1, sorted=False).indices
    return positions, labels.gather(1, positions)


@torch.no_grad()
def class_entropy(labels: Tensor, num_classes: int) -> Tensor:
    """Entropy of the classes' shares of `labels`, in nats: it falls when classes collapse."""
    share = F.one_hot(labels.flatten(), num_classes).float().mean(0)
    return -(share * share.clamp(min=1e-8).log()).sum()
