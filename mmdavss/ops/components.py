"""Connected components of label maps, on the device of the labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def connected_components(labels: Tensor) -> Tensor:
    """Number of the 8-connected component of equal labels that each pixel belongs to.

    Boruvka's algorithm: in each round every component joins its neighbour with the smallest
    number. Each that has a neighbour joins one, so a round at least halves their number in any
    region: the logarithm of the number of pixels bounds the rounds for every shape, winding ones
    too, and the length of the chains that a round makes bounds their shortening by pointer jumping.
    Both bounds follow from the shape of the labels: the result is exact, and nothing waits for the
    device.

    Args:
        labels: (N, H, W), 0 or more; components of every value are found.

    Returns:
        (N, H * W), int64: of each pixel the first pixel of its component, row by row.
    """
    count, height, width = labels.shape
    pixels = height * width
    own = torch.arange(pixels, device=labels.device).expand(count, -1)
    same = _neighbours(labels, -1) == labels[:, None]
    component = own
    left = pixels
    while left > 1:
        around = _neighbours(component.view(count, height, width), pixels).flatten(2)
        others = same.flatten(2) & (around != component[:, None])
        smallest = torch.where(others, around, pixels).amin(1)
        smallest = torch.full_like(own, pixels).scatter_reduce(1, component, smallest, 'amin')
        parent = torch.where(smallest < pixels, smallest, own)
        # Two that join each other: the smaller number stays. There are no longer cycles: along one
        # the numbers of every other component could not grow.
        parent = torch.where((parent.gather(1, parent) == own) & (own < parent), own, parent)
        for _ in range(left.bit_length()):
            parent = parent.gather(1, parent)
        component = parent.gather(1, component)
        left //= 2
    return component


def _neighbours(maps: Tensor, outside: int) -> Tensor:
    """(N, 8, H, W): the eight neighbours of each pixel of maps (N, H, W)."""
    height, width = maps.shape[-2:]
    padded = F.pad(maps, (1, 1, 1, 1), value=outside)
    places = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    return torch.stack([padded[:, y : y + height, x : x + width] for y, x in places], dim=1)
