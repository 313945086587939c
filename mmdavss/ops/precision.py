"""What is not left to half precision."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision to float32, which exponentials, logarithms and long sums need; others stay.

    Autocast is no substitute: its lists of what runs in float32 differ between CPU and CUDA.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))
