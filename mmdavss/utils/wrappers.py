"""mmengine's wrappers of models and optimisers."""

from __future__ import annotations

import math
from typing import TypeVar, cast

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

ModuleT = TypeVar('ModuleT', bound=nn.Module)


def unwrapped(module: ModuleT) -> ModuleT:
    """The module inside a DDP wrapper, or the module itself if it is not wrapped."""
    return cast(ModuleT, module.module) if is_model_wrapper(module) else module


def accumulation(optim_wrapper: OptimWrapper | OptimWrapperDict) -> int:
    """Smallest number of iterations that completes a step of every optimiser."""
    # Wrappers of other packages may not accumulate.
    return math.lcm(
        *(getattr(own, '_accumulative_counts', 1) for own in players_of(optim_wrapper).values())
    )


def players_of(optim_wrapper: OptimWrapper | OptimWrapperDict) -> dict[str, OptimWrapper]:
    """The wrapper of each player; one for all that is trained is that of the student."""
    if isinstance(optim_wrapper, OptimWrapperDict):
        return dict(optim_wrapper.items())
    return dict(student=optim_wrapper)


def check_players(
    method: str, optim_wrapper: OptimWrapper | OptimWrapperDict, players: tuple[str, ...]
) -> None:
    """Checks that a method gets an optimiser for each of its players, and no other.

    Args:
        method: Its name, for the message.
        optim_wrapper: What it gets.
        players: Names of its players.

    Raises:
        TypeError: If it does not.
    """
    if not isinstance(optim_wrapper, OptimWrapperDict) or set(optim_wrapper.keys()) != set(players):
        raise TypeError(
            f'{method}: optim_wrapper must hold an optimiser for each of '
            f"{players}: optim_wrapper=dict(constructor='PlayerOptimWrapperConstructor', "
            f'{", ".join(f"{player}=dict(optimizer=...)" for player in players)}).'
        )


def set_iteration(optim_wrapper: OptimWrapper, count: int) -> None:
    """Says how many iterations came before this one, whose number each backward pass adds to."""
    optim_wrapper._inner_count = count


def is_due(optim_wrapper: OptimWrapper | OptimWrapperDict) -> bool:
    """Whether an optimiser steps after the backward passes of this iteration."""
    return any(own.should_update() for own in players_of(optim_wrapper).values())


def step_if_due(optim_wrapper: OptimWrapper | OptimWrapperDict) -> None:
    """A step of each optimiser after the last backward pass of an iteration.

    Where gradients are accumulated, only in the iteration that completes them.
    """
    for own in players_of(optim_wrapper).values():
        if own.should_update():
            own.step()
            own.zero_grad()
