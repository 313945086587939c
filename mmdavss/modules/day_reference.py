"""Night predictions refined by predictions for the same place by day."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: Road, sidewalk, building, wall, fence, vegetation, terrain and sky of the 19 Cityscapes classes.
STATIC_19 = (0, 1, 2, 3, 4, 8, 9, 10)


def day_guided(
    night: Tensor,
    day: Tensor,
    static: Sequence[int] | Tensor = STATIC_19,
    ratio: float = 0.8,
    threshold: float = 0.4,
    class_weight: Tensor | None = None,
) -> Tensor:
    """Mixes class probabilities at night with those by day, for static classes.

    From the published code of SePiCo for Cityscapes -> Dark Zurich, not in its paper. The two
    images show roughly the same place, but are not aligned, so dynamic classes keep their night
    probabilities.

    Args:
        night: Probabilities (N, K, H, W).
        day: Probabilities (N, K, H, W) for the day image.
        static: Classes to mix; a tensor of them on the device spares its copy in each step.
        ratio: Weight of the day where its probability exceeds `threshold`; ``1 - ratio`` elsewhere.
        threshold: Threshold of the probability by day.
        class_weight: (K,), factors of all classes, applied last, or None.

    Returns:
        (N, K, H, W); the classes of a pixel do not sum to one.
    """
    if not isinstance(static, Tensor):
        static = torch.tensor(static, device=night.device)
    at_day, at_night = day.index_select(1, static), night.index_select(1, static)
    weight = torch.where(at_day > threshold, ratio, 1 - ratio).to(night.dtype)
    mixed = night.index_copy(1, static, weight * at_day + (1 - weight) * at_night)
    return mixed if class_weight is None else mixed * class_weight.to(mixed)[:, None, None]
