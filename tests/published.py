"""What published functions do otherwise at some sizes, for golden arrays of any size."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def whole_cells(labels: Tensor, size: Sequence[int]) -> Tensor:
    """What the released down-scaling reads of labels (..., H, W) for maps of a size (h, w).

    It pools cells of W // w by W // w pixels and drops the last rows and columns, which fill no
    cell. Ours gives every pixel to a cell.
    """
    h, w = size
    side = labels.shape[-1] // w
    return labels[..., : h * side, : w * side]


def scaled_by_height(flow: Tensor, size: Sequence[int]) -> Tensor:
    """A flow (..., 2, H, W) that ``resize_flow`` turns into the resized flow of DA-VSN and TPS.

    These releases scale u by the ratio of the heights too, ours by that of the widths.
    """
    (height, width), (h, w) = flow.shape[-2:], size
    return flow * flow.new_tensor([h * width / (height * w), 1.0]).view(2, 1, 1)
