"""mmengine's wrappers of models and optimisers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar, cast

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

ModuleT = TypeVar('ModuleT', bound=nn.Module)


def unwrapped(module: ModuleT) -> ModuleT:
    """The module inside a DDP wrapper, or the module itself if it is not wrapped."""
    return cast(ModuleT, module.module) if is_model_wrapper(module) else module


class _Visit(torch.autograd.Function):
    """0, from all parameters given: a backward pass reaches them and adds nothing."""

    @staticmethod
    def forward(ctx: Any, *parameters: Tensor) -> Tensor:
        return parameters[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[None, ...]:
        return (None,) * len(ctx.needs_input_grad)


def visit_gradients(module: nn.Module) -> Tensor:
    """A scalar whose backward pass visits every parameter with a gradient and changes none.

    As the output of a DDP wrapper it makes it reduce what several backward passes have accumulated.
    """
    return _Visit.apply(*(p for p in module.parameters() if p.grad is not None))


def accumulation(optim_wrapper: OptimWrapper | OptimWrapperDict) -> int:
    """Smallest number of iterations that completes a step of every optimiser."""
    wrappers: Iterable[Any] = [optim_wrapper]
    if isinstance(optim_wrapper, OptimWrapperDict):
        wrappers = optim_wrapper.values()
    # Wrappers of other packages may not accumulate.
    return math.lcm(*(getattr(wrapper, '_accumulative_counts', 1) for wrapper in wrappers))


def set_iteration(optim_wrapper: OptimWrapper, count: int) -> None:
    """Says how many iterations came before this one, whose number each backward pass adds to."""
    optim_wrapper._inner_count = count


def step_if_due(optim_wrapper: OptimWrapper) -> None:
    """A step of the optimiser after the last backward pass of an iteration.

    Where gradients are accumulated, only in the iteration that completes them.
    """
    if optim_wrapper.should_update():
        optim_wrapper.step()
        optim_wrapper.zero_grad()
