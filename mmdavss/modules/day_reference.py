"""Night predictions helped by those for the same place at day."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: Road, sidewalk, building, wall, fence, vegetation, terrain and sky of the 19 Cityscapes classes.
STATIC_19 = (0, 1, 2, 3, 4, 8, 9, 10)


def day_guided(
    night: Tensor,
    day: Tensor,
    static: Sequence[int] = STATIC_19,
    ratio: float = 0.8,
    threshold: float = 0.4,
    class_weight: Tensor | None = None,
) -> Tensor:
    """Mixes class probabilities at night with those at day, for classes that stand still.

    Of the published SePiCo for Cityscapes -> Dark Zurich, not in its paper. The two images show
    about the same place, not the same pixels, so that classes that move stay those of the night.

    Args:
        night: Probabilities (N, K, H, W).
        day: Probabilities (N, K, H, W) for the day image.
        static: Classes that are mixed.
        ratio: Weight of the day where it is surer than `threshold`, else it weighs ``1 - ratio``.
        threshold: Of the probability at day.
        class_weight: (K,), factors of all classes in the end; None for none.

    Returns:
        (N, K, H, W); the classes of a pixel do not add up to one.
    """
    mixed = night.clone()
    at_day, at_night = day[:, list(static)], night[:, list(static)]
    weight = torch.where(at_day > threshold, ratio, 1 - ratio).to(night.dtype)
    mixed[:, list(static)] = weight * at_day + (1 - weight) * at_night
    return mixed if class_weight is None else mixed * class_weight.to(mixed)[:, None, None]
