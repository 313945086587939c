"""Local correlation of two feature maps, as in FlowNetC and PWC-Net."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@functools.cache
def _compiled_operator() -> Callable[..., Tensor] | None:
    """mmcv's operator, or None if mmcv was built without compiled operators."""
    try:
        from mmcv.ops.correlation import CorrelationFunction
    except ImportError:
        return None
    return CorrelationFunction.apply


def correlation(
    x1: Tensor,
    x2: Tensor,
    kernel_size: int = 1,
    max_displacement: int = 1,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    dilation_patch: int = 1,
) -> Tensor:
    """Dot products of each window of ``x1`` with the displaced windows of ``x2``.

    With R = max_displacement, ``out[:, R + i, R + j]`` belongs to the displacement of
    ``i * dilation_patch`` rows and ``j * dilation_patch`` columns. Products are summed over
    channels and window, not averaged; the maps are zero outside. Equivalent to
    ``mmcv.ops.Correlation``, whose compiled operator is used for CUDA tensors if available (it has
    no CPU version).

    Args:
        x1: (N, C, H, W).
        x2: (N, C, H, W).
        kernel_size: Side of the window.
        max_displacement: R, in steps of ``dilation_patch``.
        stride: Step between windows.
        padding: Zeros added on each side.
        dilation: Step inside the window.
        dilation_patch: Step between displacements.

    Returns:
        (N, 2R+1, 2R+1, H', W'), with
        H' = (H + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1.

    Raises:
        ValueError: If the shapes differ.
    """
    if x1.ndim != 4 or x1.shape != x2.shape:
        raise ValueError(
            'correlation: x1 and x2 must be (N, C, H, W) of the same shape, got '
            f'{tuple(x1.shape)} and {tuple(x2.shape)}.'
        )
    operator = _compiled_operator() if x1.is_cuda else None
    return (operator or correlation_torch)(
        x1, x2, kernel_size, max_displacement, stride, padding, dilation, dilation_patch
    )


def correlation_torch(
    x1: Tensor,
    x2: Tensor,
    kernel_size: int = 1,
    max_displacement: int = 1,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    dilation_patch: int = 1,
) -> Tensor:
    """:func:`correlation` in plain torch, on any device.

    Loops over displacements, so that intermediate tensors have only the size of ``x1``.
    """
    radius = max_displacement * dilation_patch
    extent = dilation * (kernel_size - 1)
    out_size = [(n + 2 * padding - extent - 1) // stride + 1 for n in x1.shape[-2:]]
    x1 = F.pad(x1, [padding] * 4)
    x2 = F.pad(x2, [padding + radius] * 4)

    def windows(x: Tensor, row: int, column: int) -> Tensor:
        """One value for each window, starting at (row, column), ``stride`` apart."""
        rows, columns = ((n - 1) * stride + 1 for n in out_size)
        return x[..., row : row + rows : stride, column : column + columns : stride]

    steps = range(0, 2 * radius + 1, dilation_patch)
    inner = range(0, extent + 1, dilation)
    out = [
        cast(
            Tensor,
            sum(
                (windows(x1, i, j) * windows(x2, dy + i, dx + j)).sum(1)
                for i in inner
                for j in inner
            ),
        )
        for dy in steps
        for dx in steps
    ]
    return torch.stack(out, dim=1).unflatten(1, (len(steps), len(steps)))


class Correlation(nn.Module):
    """:func:`correlation` as a module with the arguments of ``mmcv.ops.Correlation``."""

    def __init__(
        self,
        kernel_size: int = 1,
        max_displacement: int = 1,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        dilation_patch: int = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.max_displacement = max_displacement
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.dilation_patch = dilation_patch

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return correlation(
            x1,
            x2,
            self.kernel_size,
            self.max_displacement,
            self.stride,
            self.padding,
            self.dilation,
            self.dilation_patch,
        )
