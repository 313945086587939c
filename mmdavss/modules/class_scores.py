"""Mean scores of the pixels of each class (QuadMix)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdavss.ops import at_least_float32
from mmdavss.utils.distributed import sum_over_processes

from .label_downscale import nearest_labels


def class_mean_scores(scores: Tensor, labels: Tensor | None = None, least: int = 5) -> Tensor:
    """Mean score vector of the pixels that are predicted to be of a class, for each class.

    Args:
        scores: (N, K, h, w), before the softmax.
        labels: (N, H, W), int64: a pixel counts only if the nearest label is the predicted class;
            None counts all pixels.
        least: Classes with fewer pixels, in the batches of all processes, have a row of zeros.

    Returns:
        (K, K), float32 at least: row k has the mean over the pixels of class k.
    """
    scores = at_least_float32(scores)
    num_classes = scores.shape[1]
    classes = scores.argmax(1)
    if labels is not None:
        labels = nearest_labels(labels, classes.shape[-2:])
        classes = torch.where(labels == classes, classes, num_classes)
    members = F.one_hot(classes.flatten(1), num_classes + 1)[..., :-1].to(scores.dtype)
    counts = sum_over_processes(members.sum((0, 1)))
    with torch.autocast(scores.device.type, enabled=False):
        totals = sum_over_processes((scores.flatten(2) @ members).sum(0).T)
    return torch.where((counts >= least)[:, None], totals / counts.clamp(min=1)[:, None], 0.0)
