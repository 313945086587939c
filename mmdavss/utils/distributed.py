"""Means over the global batch, where several processes see a part of it each.

DDP averages the gradients of the processes. That is the gradient of the global batch where every
process has the same number of terms in its mean: of images, or of pixels where all of them count.
Where labels decide how many pixels count, the processes have to share the number; and where a loss
is not linear in a mean, the mean.

Nothing here waits for the device. All processes must call these functions together; with one
process they cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over all processes, the same in each, without gradient.

    Args:
        value: Any shape, of the same shape in every process.

    Returns:
        Of that shape, float32 at least; `value` itself, detached, if there is one process.
    """
    value = value.detach()
    if get_world_size() == 1:
        return value
    value = value.to(torch.promote_types(value.dtype, torch.float32), copy=True)
    all_reduce(value, op='mean')
    return value


def mean_over_batch(total: Tensor, count: Tensor) -> Tensor:
    """`total / count`, of which the mean over the processes is the mean over the global batch.

    DDP's mean of the gradients then is the gradient of that.

    Args:
        total: Sum of the terms of this process.
        count: Their number, of a shape that broadcasts.

    Returns:
        Like `total`; 0 where no process has a term.
    """
    return total / mean_over_processes(count).clamp(min=1 / get_world_size())


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes, for losses that are not linear in it.

    Its gradient goes to the part of this process, times the number of processes: DDP takes the
    mean of the gradients where here their sum is the gradient of the global batch.
    """
    count = get_world_size()
    if count == 1:
        return value
    total = count * mean_over_processes(value)
    return total + count * (value - value.detach())


def mean_log(log: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logged scalars as those of the global batch: otherwise the log is that of one process."""
    if get_world_size() == 1:
        return dict(log)
    values = mean_over_processes(torch.stack([value.detach().float() for value in log.values()]))
    return dict(zip(log, values.unbind(), strict=True))
