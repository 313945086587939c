"""The class of each pixel from scores at a lower resolution, without the scores of all classes."""

from __future__ import annotations

import torch
from mmseg.models.utils import resize
from torch import Tensor

#: Pixels below which all classes are resized together. torch (2.13) has another kernel for maps
#: whose height and width sum to 128 or less, here at most 4096 pixels.
SMALL = 2**15


@torch.no_grad()
def resized_argmax(scores: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    """``resize(scores, size, mode='bilinear').argmax(1)``, also where scores are equal.

    Class by class: torch's argmax over a dimension that is not the last one takes several times as
    long as the interpolation, and neither the resized scores nor int64 labels are stored.

    Args:
        scores: (N, K, h, w) without NaN, K at most 256.
        size: (H, W).
        align_corners: Of the interpolation.

    Returns:
        (N, H, W), uint8.
    """
    if scores.shape[1] > 256:
        raise ValueError(f'uint8 holds 256 classes, not {scores.shape[1]}.')
    channels_last = scores.is_contiguous(memory_format=torch.channels_last)
    exact = scores.dtype in (torch.float32, torch.float64) and scores.is_contiguous()
    if not exact or channels_last or size[0] * size[1] < SMALL:
        # The rounding of torch's other kernels depends on the number of channels, and with it ties.
        scores = resize(scores, size, mode='bilinear', align_corners=align_corners)
    best, labels = None, scores.new_zeros(len(scores), *size, dtype=torch.uint8)
    for number, one in enumerate(scores.split(1, dim=1)):
        if tuple(one.shape[-2:]) != tuple(size):
            one = resize(one, size, mode='bilinear', align_corners=align_corners)
        one = one[:, 0]
        if best is None:
            best = one.clone()
            continue
        # Later numbers are larger: the maximum replaces a masked assignment, which is slower.
        torch.maximum(labels, (one > best).view(torch.uint8).mul_(number), out=labels)
        torch.maximum(best, one, out=best)
    return labels
