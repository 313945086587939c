"""The class of each pixel from scores at a lower resolution, without the scores of all classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from mmseg.models.utils import resize
from torch import Tensor

#: Pixels below which all classes are resized together. torch (2.13) has another kernel for maps
#: whose height and width sum to 128 or less, here at most 4096 pixels.
SMALL = 2**15
#: Width above which a map of any height has torch's usual kernel.
NARROW = 128
#: Classes that may win in a cell beside the first, over all classes and cells: above this share it
#: takes longer to look into the cells than to interpolate all.
CONTESTED = 0.1
#: Rounding of the difference of two interpolated scores, here and by torch, over the largest score:
#: four scores are multiplied by exact weights and added, with at most eight errors of 2**-24 each.
ROUNDING = 2**-20
#: Pixels beyond which torch's interpolation is not asked for single ones.
MANY = 100


@torch.no_grad()
def resized_argmax(scores: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    """``resize(scores, size, mode='bilinear').argmax(1)``, also where scores are equal.

    Class by class: torch's argmax over a dimension that is not the last one takes several times as
    long as the interpolation, and neither the resized scores nor int64 labels are stored. On the
    CPU, at an even multiple of the resolution, most pixels lie between four scores of one class
    that no other can exceed, and need no interpolation.

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
    elif not align_corners and _has_cells(scores, size):
        return torch.cat(
            [
                _argmax_by_classes(one, size, align_corners) if labels is None else labels[None]
                for one in scores.split(1)
                for labels in [_argmax_by_cells(one, size)]
            ]
        )
    return _argmax_by_classes(scores, size, align_corners)


def _argmax_by_classes(scores: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    """As :func:`resized_argmax`, by the interpolation of each class."""
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


def _has_cells(scores: Tensor, size: tuple[int, int]) -> bool:
    """Whether :func:`_argmax_by_cells` is exact and faster, where corners are not aligned."""
    factors = [large // small for large, small in zip(size, scores.shape[2:], strict=True)]
    return (
        scores.dtype == torch.float32
        and scores.device.type == 'cpu'
        and size[1] > NARROW
        and all(
            # Powers of two: the weights of pixels are exact, and do not depend on the place.
            factor > 1 and factor & (factor - 1) == 0 and factor * small == large
            for factor, large, small in zip(factors, size, scores.shape[2:], strict=True)
        )
    )


def _argmax_by_cells(scores: Tensor, size: tuple[int, int]) -> Tensor | None:
    """As :func:`resized_argmax`, by cells: the pixels between four neighbouring scores.

    A class cannot win in a cell if its largest score there is below the smallest one of another.
    Where several classes are left, they are interpolated. Where two of these come closer than
    rounding allows to tell, torch's own interpolation decides.

    Args:
        scores: (1, K, h, w), float32.
        size: (H, W), powers of two times (h, w), without aligned corners.

    Returns:
        (H, W), uint8; None if more is left than is worth it.
    """
    classes, height, width = scores.shape[1:]
    fy, fx = size[0] // height, size[1] // width
    # Cells at the border lie between scores and copies of them, as the interpolation clamps.
    padded = F.pad(scores, (1, 1, 1, 1), mode='replicate')[0]
    rows, columns = height + 1, width + 1
    tolerance = ROUNDING * padded.abs().amax()
    assured = _of_corners(padded, torch.minimum).amax(0) - tolerance
    possible = (_of_corners(padded, torch.maximum) >= assured).flatten(1)
    count = possible.sum(0)
    if count.sum() - len(count) > CONTESTED * possible.numel():
        return None
    numbers = torch.arange(classes, dtype=torch.uint8)[:, None]
    # Right where one class is possible.
    labels = (possible.view(torch.uint8) * numbers).amax(0)[:, None].repeat(1, fy * fx)
    cells = (count > 1).nonzero()[:, 0]
    # Cells with many classes first: those with more than any number are a slice.
    count, order = count[cells].sort(descending=True)
    cells = cells[order]
    pairs, kinds = possible[:, cells].T.nonzero().unbind(1)  # cell by cell, classes in their order
    place = cells.index_select(0, pairs)
    place = kinds * padded[0].numel() + place + place // columns  # a row has one score more
    values = torch.stack(
        [padded.view(-1).index_select(0, place + step) for step in (0, 1, width + 2, width + 3)], 1
    ) @ _weights(fy, fx)
    kinds = kinds.to(torch.uint8)[:, None]
    first = count.cumsum(0) - count
    best = values.index_select(0, first)
    second = torch.full_like(best, -torch.inf)
    won = kinds.index_select(0, first).repeat(1, fy * fx)
    for number in range(1, int(count.max()) if len(cells) else 0):
        left = int((count > number).sum())
        these = first[:left] + number
        value, top, below, own = (
            values.index_select(0, these),
            best[:left],
            second[:left],
            won[:left],
        )
        torch.maximum(below, torch.minimum(value, top), out=below)
        # Later numbers are larger, as above.
        larger = (value > top).view(torch.uint8).mul_(kinds.index_select(0, these))
        torch.maximum(own, larger, out=own)
        torch.maximum(top, value, out=top)
    close = (best.sub_(second) <= tolerance).nonzero()
    if len(close) > MANY:
        return None
    labels[cells] = won
    labels = labels.view(rows, columns, fy, fx).transpose(1, 2).reshape(rows * fy, columns * fx)
    labels = labels[fy // 2 : -(fy // 2), fx // 2 : -(fx // 2)].contiguous()
    for number, pixel in close.tolist():
        cell = int(cells[number])
        y = cell // columns * fy + pixel // fx - fy // 2
        x = cell % columns * fx + pixel % fx - fx // 2
        if 0 <= y < size[0] and 0 <= x < size[1]:
            own = possible[:, cell].nonzero()[:, 0]
            above = max(y // fy - 1, 0)
            near = scores[:, own, above : y // fy + 2]
            near = resize(near, (near.shape[2] * fy, size[1]), mode='bilinear', align_corners=False)
            labels[y, x] = own[near[0, :, y - above * fy, x].argmax()]
    return labels


def _of_corners(maps: Tensor, join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Minimum or maximum (K, h - 1, w - 1) of each four neighbours of maps (K, h, w)."""
    maps = join(maps[..., :-1], maps[..., 1:])
    return join(maps[:, :-1], maps[:, 1:])


def _weights(fy: int, fx: int) -> Tensor:
    """Bilinear weights (4, fy * fx) of the corners of a cell for its pixels."""
    y, x = (torch.arange(0.5, f) / f for f in (fy, fx))
    return torch.stack([torch.outer(a, b).flatten() for a in (1 - y, y) for b in (1 - x, x)], dim=0)
