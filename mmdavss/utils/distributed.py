"""Means over the global batch when each process sees only a part of it.

DDP averages the gradients of the processes. This is the gradient of the global batch if every
process has the same number of terms in its mean: images, or pixels where all of them count. Where
labels decide how many pixels count, processes must share the pixel count or, for losses non-linear
in a mean, the mean itself.

Nothing here waits for the device. All processes must call these functions together; with one
process they cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import all_gather, all_reduce, get_world_size
from torch import Tensor, nn


class _Visit(torch.autograd.Function):
    """0, from all parameters given: a backward pass reaches them and adds nothing."""

    @staticmethod
    def forward(ctx: Any, *parameters: Tensor) -> Tensor:
        return parameters[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[None, ...]:
        return (None,) * len(ctx.needs_input_grad)


def visit_gradients(module: nn.Module) -> Tensor:
    """A scalar whose backward pass visits every parameter that has a gradient and changes none.

    As the output of a module in a DDP wrapper it has that reduce the gradients that there are.
    """
    return _Visit.apply(*(p for p in module.parameters() if p.grad is not None))


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over all processes, the same in each, without gradient.

    Args:
        value: Any shape, of the same shape in every process.

    Returns:
        Same shape, at least float32; `value` itself, detached, if there is one process.
    """
    value = value.detach()
    if get_world_size() == 1:
        return value
    value = value.to(torch.promote_types(value.dtype, torch.float32), copy=True)
    all_reduce(value, op='mean')
    return value


def global_batch(value: Tensor) -> Tensor:
    """The samples of all processes, in the order of the processes, without gradient.

    Args:
        value: (N, ...), of the same shape in every process.

    Returns:
        (N times the number of processes, ...); `value` itself, detached, if there is one process.
    """
    value = value.detach()
    return value if get_world_size() == 1 else torch.cat(all_gather(value.contiguous()))


def mean_over_batch(total: Tensor, count: Tensor) -> Tensor:
    """`total / count`, normalised so that averaging over processes gives the global-batch mean.

    DDP's mean of the gradients is then the gradient of the global-batch mean.

    Args:
        total: Sum of the terms of this process.
        count: Number of terms; broadcasts with `total`.

    Returns:
        Same shape as `total`; 0 where no process has a term.
    """
    return total / mean_over_processes(count).clamp(min=1 / get_world_size())


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes, for losses that are not linear in it.

    The gradient with respect to this process's part is multiplied by the number of processes: DDP
    averages gradients, whereas the gradient of the global batch is their sum.
    """
    count = get_world_size()
    if count == 1:
        return value
    total = count * mean_over_processes(value)
    return total + count * (value - value.detach())


def mean_log(log: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Averages logged scalars over the processes; otherwise the log shows one process only."""
    if get_world_size() == 1:
        return dict(log)
    values = mean_over_processes(torch.stack([value.detach().float() for value in log.values()]))
    return dict(zip(log, values.unbind(), strict=True))
