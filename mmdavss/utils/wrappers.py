"""mmengine's wrappers of models and optimisers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar, cast

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

ModuleT = TypeVar('ModuleT', bound=nn.Module)


def unwrapped(module: ModuleT) -> ModuleT:
    """The module inside a DDP wrapper, or the module itself if it is not wrapped."""
    return cast(ModuleT, module.module) if is_model_wrapper(module) else module


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
