"""ClassMix: pastes classes of one image or clip onto another (Olsson et al., WACV 2021).

All sizes follow from shapes: nothing synchronises with the device.
"""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from torch import Tensor

#: Upper bound of labels.
VALUES = 256


def draw_classes(labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draws half of the label values for each sample, without replacement.

    As published (DACS, DAFormer), they are drawn from the values that occur anywhere in the global
    batch, including 255; if their number n is odd, (n+1)/2 are drawn.

    Args:
        labels: (N, H, W), int64, values 0 to 255.
        generator: Generator on the device of `labels`; None for the default one.

    Returns:
        (N, 256), bool.
    """
    occurs = torch.zeros(VALUES, dtype=torch.int32, device=labels.device)
    occurs.scatter_(0, labels.flatten(), 1)
    all_reduce(occurs, 'max')
    occurs = occurs.bool()
    return _ranks(occurs.expand(len(labels), -1), generator) < (occurs.sum() + 1) // 2


def draw_share(
    labels: Tensor,
    share: float,
    ignore_index: int = 255,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draws a share of the classes of each sample, without replacement (CMOM).

    Of the n classes that occur in a sample, round(share * n) are drawn, half to even.

    Args:
        labels: (N, H, W), int64, values 0 to 255.
        share: From 0 to 1.
        ignore_index: Value that is no class.
        generator: Generator on the device of `labels`; None for the default one.

    Returns:
        (N, 256), bool.
    """
    occurs = torch.zeros(len(labels), VALUES, dtype=torch.bool, device=labels.device)
    occurs.scatter_(1, labels.flatten(1), True)
    occurs[:, ignore_index] = False
    # In float64, as Python has it.
    count = (share * occurs.sum(1, keepdim=True).double()).round()
    return _ranks(occurs, generator) < count


def _ranks(occurs: Tensor, generator: torch.Generator | None) -> Tensor:
    """Random ranks (N, 256) of values; those that occur (N, 256) have the lowest."""
    order = torch.rand(len(occurs), VALUES, device=occurs.device, generator=generator)
    return order.masked_fill(~occurs, 2.0).argsort(1).argsort(1)


def class_masks(labels: Tensor, chosen: Tensor) -> Tensor:
    """Masks of the label values chosen for each sample.

    Args:
        labels: (N, H, W), int64, values 0 to 255.
        chosen: (N, 256), bool.

    Returns:
        (N, 1, H, W), bool.
    """
    return chosen.gather(1, labels.flatten(1)).view_as(labels)[:, None]


def class_mix_masks(labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Masks of the pixels to take from the source.

    Args:
        labels: Source labels (N, H, W), int64, values 0 to 255.
        generator: Generator on the device of `labels`; None for the default one.

    Returns:
        (N, 1, H, W), bool.
    """
    return class_masks(labels, draw_classes(labels, generator))


def class_mix(mask: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Source where the mask is set, target elsewhere.

    Where only the current frame of a clip has a label, its mask is used for all frames and the
    flow: in earlier frames, a moving object is cut off on one side and includes background on the
    other. Where all frames have labels, each has its own mask, and objects move as in the source.

    Args:
        mask: Bool, of a shape that broadcasts: (N, H, W) for labels and weights, (N, 1, H, W) for
            images, (N, 1, 1, H, W) or, of each frame, (N, T, 1, H, W) for clips (N, T, 3, H, W)
            and flow (N, T-1, 2, H, W).
        source: Tensor of one of these shapes.
        target: Tensor of the same shape.

    Returns:
        Tensor of the same shape.
    """
    return torch.where(mask, source, target)
