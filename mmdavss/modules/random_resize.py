"""Random crops and sizes of clips on their device; what is drawn is drawn on the host."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmseg.models.utils import resize
from torch import Tensor

from mmdavss.ops import resize_flow


def check_rescale(owner: str, factors: Sequence[float] | None) -> None:
    """Raises a ValueError unless `factors` is None or a range for :func:`random_rescale`."""
    pair = isinstance(factors, tuple | list) and len(factors) == 2
    if factors is not None and not (pair and 0 < factors[0] <= factors[1] - 0.01):
        raise ValueError(
            f'{owner}: rescale={factors} must be a range above 0, in hundredths, or None.'
        )


def random_rescale(frames: Tensor, factors: Sequence[float] | None, align_corners: bool) -> Tensor:
    """Frames, all by the same random factor, or as they are.

    Sides are multiples of 8. The flow need not follow: nets bring it to the size of what they
    carry.

    Args:
        frames: (N, T, 3, H, W).
        factors: Range that the factor is drawn from in steps of a hundredth; the upper end is
            never drawn, as released by TPS and RDA. None for none.
        align_corners: How frames are resized.
    """
    if factors is None:
        return frames
    low, high = (round(100 * limit) for limit in factors)
    factor = torch.randint(low, high, ()).item() / 100  # of the host's generator: no waiting
    size = tuple(max(1, round(side * factor / 8)) * 8 for side in frames.shape[-2:])
    return resize(
        frames.flatten(0, 1), size, mode='bilinear', align_corners=align_corners
    ).unflatten(0, frames.shape[:2])


#: Row, column, height and width of a crop.
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class RandomResizedCrop:
    """Crops of random area and shape, resized to one size; one for each clip of a batch.

    Sides that exceed the image are cut to it. (The usual implementation draws again, up to ten
    times.)

    Args:
        size: (h, w) that crops are resized to.
        scale: Range of the area of a crop, as a share of the image.
        ratio: Range of width divided by height, drawn on a logarithmic scale.

    Raises:
        ValueError: If `scale` or `ratio` is not a range above 0, or `scale` exceeds 1.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        for name, (low, high), largest in (
            ('scale', self.scale, 1.0),
            ('ratio', self.ratio, math.inf),
        ):
            if not 0 < low <= high <= largest:
                raise ValueError(
                    f'RandomResizedCrop: {name}={(low, high)} must be a range above 0'
                    f'{" and up to 1" if largest == 1 else ""}.'
                )

    def draw(self, maps: Tensor) -> list[Box]:
        """Draws a crop for each of N maps (N, ..., H, W)."""
        height, width = maps.shape[-2:]
        boxes = []
        for area, shape, top, left in torch.rand(len(maps), 4, device='cpu').tolist():
            area = (self.scale[0] + area * (self.scale[1] - self.scale[0])) * height * width
            low, high = (math.log(limit) for limit in self.ratio)
            ratio = math.exp(low + shape * (high - low))
            h = min(height, max(1, round(math.sqrt(area / ratio))))
            w = min(width, max(1, round(math.sqrt(area * ratio))))
            boxes.append((int(top * (height - h + 1)), int(left * (width - w + 1)), h, w))
        return boxes

    def frames(self, clips: Tensor, boxes: Sequence[Box]) -> Tensor:
        """Crops (N, T, C, h, w) of clips (N, T, C, H, W), bilinear."""
        return torch.stack(
            [
                F.interpolate(_cut(one, box), self.size, mode='bilinear', align_corners=False)
                for one, box in zip(clips, boxes, strict=True)
            ]
        )

    def flow(self, flow: Tensor, boxes: Sequence[Box]) -> Tensor:
        """Crops (N, T-1, 2, h, w) of flow (N, T-1, 2, H, W), in pixels of the crops."""
        return torch.stack(
            [resize_flow(_cut(one, box), self.size) for one, box in zip(flow, boxes, strict=True)]
        )

    def labels(self, labels: Tensor, boxes: Sequence[Box]) -> Tensor:
        """Crops (N, h, w) of labels (N, H, W), the nearest ones."""
        return torch.stack(
            [_nearest(_cut(one, box), self.size) for one, box in zip(labels, boxes, strict=True)]
        )


def _cut(maps: Tensor, box: Box) -> Tensor:
    top, left, height, width = box
    return maps[..., top : top + height, left : left + width]


def _nearest(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Labels (H, W) of the pixels that the middles of the pixels of (h, w) lie in."""
    rows, columns = (
        torch.arange(new, device=labels.device).mul_(2).add_(1).mul_(old) // (2 * new)
        for old, new in zip(labels.shape, size, strict=True)
    )
    return labels[rows[:, None], columns]
