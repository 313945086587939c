"""Class-balanced cropping of target images by their pseudo-labels (SePiCo, algorithm 1).

All sizes follow from shapes: nothing synchronises with the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from mmdavss.utils.errors import check_share

from .class_mix import VALUES


def random_corners(
    maps: Tensor, size: tuple[int, int], candidates: int, generator: torch.Generator | None = None
) -> Tensor:
    """Draws positions of crops, uniformly over all that fit.

    Args:
        maps: (N, ..., H, W), tensor to crop.
        size: (h, w) of the crops.
        candidates: Number K of crops for each sample.
        generator: Generator on the device of `maps`; None for the default one.

    Returns:
        Upper left corners (N, K, 2), int64, (y, x).

    Raises:
        ValueError: If a crop does not fit.
    """
    height, width = maps.shape[-2:]
    if height < size[0] or width < size[1]:
        raise ValueError(
            f'A crop of {size} (height, width) does not fit into {(height, width)}: '
            'give the pipeline a larger ClipResize, or the crop another size.'
        )
    return torch.stack(
        [
            torch.randint(
                side - part + 1, (len(maps), candidates), device=maps.device, generator=generator
            )
            for side, part in zip((height, width), size, strict=True)
        ],
        dim=-1,
    )


def crop_at(maps: Tensor, corners: Tensor, size: tuple[int, int]) -> Tensor:
    """Crops every sample at its own position.

    Args:
        maps: (N, ..., H, W).
        corners: (N, 2), (y, x) of the upper left corners.
        size: (h, w) of the crops.

    Returns:
        (N, ..., h, w).
    """
    flat = maps.reshape(len(maps), -1, *maps.shape[-2:])
    rows, columns = (
        corners[:, i, None] + torch.arange(size[i], device=maps.device) for i in (0, 1)
    )
    channels = flat.shape[1]
    flat = flat.gather(2, rows[:, None, :, None].expand(-1, channels, -1, flat.shape[-1]))
    flat = flat.gather(3, columns[:, None, None, :].expand(-1, channels, size[0], -1))
    return flat.view(*maps.shape[:-2], *size)


def crop_scores(
    labels: Tensor,
    corners: Tensor,
    size: tuple[int, int],
    cat_max_ratio: float = 0.75,
    ignore_index: int = 255,
) -> Tensor:
    """Scores crops by number and balance of their classes (algorithm 1).

    The score is the sum of the logarithms of the classes' pixel counts, or 0 if a class has
    `cat_max_ratio` or more of all pixels or is the only one. Ignored pixels and, as published,
    classes of one pixel do not count.

    Args:
        labels: (N, H, W), int64, values 0 to 255.
        corners: (N, K, 2), positions of the crops.
        size: (h, w) of the crops.
        cat_max_ratio: Largest share of one class.
        ignore_index: Label of pixels to ignore.

    Returns:
        (N, K), float64.
    """
    counts = []
    for at in corners.unbind(1):  # one by one: all candidates together would need ten label maps
        crop = crop_at(labels, at, size).flatten(1)
        counts.append(
            crop.new_zeros(len(crop), VALUES).scatter_add_(
                1, crop, crop.new_ones(()).expand_as(crop)
            )
        )
    count = torch.stack(counts, dim=1)
    count[..., ignore_index] = 0
    largest, total = count.amax(-1), count.sum(-1)
    balanced = (largest < total) & (largest.double() / total < cat_max_ratio)
    # The logarithm of 1 is 0, so absent classes drop out.
    return count.clamp(min=1).double().log().sum(-1) * balanced


@dataclass(frozen=True)
class ClassBalancedCrop:
    """Chooses the most balanced of several random crops, for each sample of a batch.

    Args:
        crop_size: (h, w).
        cat_max_ratio: Largest share of one class in a crop, 0.75 as published.
        candidates: Number of crops to try, 10 in algorithm 1.
        ignore_index: Label of pixels to ignore.
    """

    crop_size: tuple[int, int]
    cat_max_ratio: float = 0.75
    candidates: int = 10
    ignore_index: int = 255

    def __post_init__(self) -> None:
        if not isinstance(self.crop_size, tuple | list) or len(self.crop_size) != 2:
            raise ValueError(f'target_crop: crop_size={self.crop_size} must be (height, width).')
        if self.candidates < 1:
            raise ValueError(f'target_crop: candidates={self.candidates} must be 1 or more.')
        check_share('target_crop', 'cat_max_ratio', self.cat_max_ratio)

    def corners(self, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Corners (N, 2) of the best crops for labels (N, H, W); the first one wins ties."""
        corners = random_corners(labels, self.crop_size, self.candidates, generator)
        scores = crop_scores(labels, corners, self.crop_size, self.cat_max_ratio, self.ignore_index)
        best = scores.argmax(1)
        return corners.gather(1, best[:, None, None].expand(-1, 1, 2)).squeeze(1)

    def draw(
        self, labels: Tensor, generator: torch.Generator | None = None
    ) -> Callable[[Tensor], Tensor]:
        """Returns a function that crops (N, ..., H, W), the same for frames, labels and flow.

        Args:
            labels: (N, H, W), int64, values 0 to 255.
            generator: Generator on the device of `labels`; None for the default one.

        Raises:
            ValueError: If the crop does not fit.
        """
        return partial(crop_at, corners=self.corners(labels, generator), size=self.crop_size)
