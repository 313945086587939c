"""Maximum mean discrepancy of two sets of vectors (Gretton et al., JMLR 2012)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmdavss.ops import at_least_float32


def mmd_kernel(vectors: Tensor, kernels: int = 5, factor: float = 2.0) -> Tensor:
    """Sum of Gaussian kernels of all pairs of vectors.

    ``sum_i exp(-|x - y|^2 / (w factor^(i - kernels // 2)))``; the bandwidth w is the mean squared
    distance of different vectors, without gradient.

    Args:
        vectors: (M, D).
        kernels: Number of kernels.
        factor: Ratio of the bandwidths of two neighbouring kernels.

    Returns:
        (M, M), float32 at least.
    """
    vectors = at_least_float32(vectors)
    distances = (vectors[:, None] - vectors).square().sum(2)
    count = len(vectors)
    bandwidth = distances.detach().sum() / (count**2 - count)
    # All vectors may be equal: zero for classes that no pixel has.
    bandwidth = bandwidth.clamp(min=1e-12)
    total = torch.zeros_like(distances)
    for i in range(kernels):
        total = total + torch.exp(-distances / (bandwidth * factor ** (i - kernels // 2)))
    return total


def maximum_mean_discrepancy(x: Tensor, y: Tensor, kernels: int = 5, factor: float = 2.0) -> Tensor:
    """How differently two sets of vectors are distributed: the mean of K_xx + K_yy - K_xy - K_yx.

    Args:
        x: (M, D).
        y: (M, D).
        kernels: As of :func:`mmd_kernel`.
        factor: Likewise.

    Returns:
        Scalar, float32 at least.
    """
    kernel = mmd_kernel(torch.cat([x, y]), kernels, factor)
    m = len(x)
    return (kernel[:m, :m] + kernel[m:, m:] - kernel[:m, m:] - kernel[m:, :m]).mean()
