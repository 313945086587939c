"""Precision guards for half-precision training."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Casts half precision to float32 for exponentials, logarithms, long sums; keeps other types.

    Autocast does not suffice: its lists of float32 operations differ between CPU and CUDA.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))
