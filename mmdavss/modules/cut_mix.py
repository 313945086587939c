"""CutMix: a box of one image in another (Yun et al., ICCV 2019), as PixMatch draws it."""

from __future__ import annotations

import math

import torch


def cut_box(
    size: tuple[int, int] | torch.Size, share: float, centre: tuple[int, int]
) -> tuple[slice, slice]:
    """Box of the image's shape around a pixel, cut off at the border.

    Args:
        size: (H, W) of the image.
        share: Share of the image that a box inside it covers, 0 to 1. Sides are rounded down, and
            so are their halves.
        centre: (row, column).

    Returns:
        Rows and columns.
    """
    slices = []
    for side, middle in zip(size, centre, strict=True):
        half = int(side * math.sqrt(share)) // 2
        slices.append(slice(max(middle - half, 0), min(middle + half, side)))
    return slices[0], slices[1]


def random_cut(
    size: tuple[int, int] | torch.Size, device: torch.device | None = None
) -> torch.Tensor:
    """Mask (H, W), bool, of a random box or, as likely, of all but the box.

    Its share of the image and its centre are uniform. They are drawn on the host, where nothing
    waits for the device.
    """
    inside = torch.rand(()).item() > 0.5
    share = torch.rand(()).item()
    row, column = (int(torch.randint(side, ()).item()) for side in size)
    mask = torch.full(tuple(size), not inside, dtype=torch.bool, device=device)
    mask[cut_box(size, share, (row, column))] = inside
    return mask
