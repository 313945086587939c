"""An optimiser for each player of an adversarial method, and when optimisers step."""
from __future__ import annotations

import math

from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from .wrappers import unwrapped


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PlayerOptimWrapperConstructor:
    """Builds one optimiser wrapper for each named child of a model::

        optim_wrapper = dict(
            constructor='PlayerOptimWrapperConstructor',
            student=dict(optimizer=dict(type='SGD', lr=2.5e-4)),
            discriminator=dict(optimizer=dict(type='Adam', lr=1e-4)))

    ``param_scheduler`` is then one list for all players, or a dict with a list for each.

    Args:
        optim_wrapper_cfg: A config of an optimiser wrapper, with ``paramwise_cfg`` where wanted,
            for each player.
        paramwise_cfg: Belongs into the config of a player.

    Raises:
        ValueError: If `paramwise_cfg` is set for all players together.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if paramwise_cfg is not None:
            raise ValueError('PlayerOptimWrapperConstructor: set paramwise_cfg in the config of a '
                             f'player, one of {tuple(optim_wrapper_cfg)}.')
        self.players = dict(optim_wrapper_cfg)

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        """Builds the wrappers.

        Raises:
            ValueError: If a player is no part of the model.
        """
        owner = unwrapped(model)
        missing = [name for name in self.players if getattr(owner, name, None) is None]
        if missing:
            raise ValueError(f'optim_wrapper has the players {tuple(self.players)}, but '
                             f'{type(owner).__name__} has no {missing}: leave them out.')
        return OptimWrapperDict(**{
            name: build_optim_wrapper(getattr(owner, name), cfg)
            for name, cfg in self.players.items()})


def accumulation(optim_wrapper: OptimWrapper | OptimWrapperDict) -> int:
    """Iterations after which no optimiser of a run is in the middle of a step."""
    several = isinstance(optim_wrapper, OptimWrapperDict)
    wrappers = optim_wrapper.values() if several else [optim_wrapper]
    # Wrappers of other packages may not accumulate.
    return math.lcm(*(getattr(wrapper, '_accumulative_counts', 1) for wrapper in wrappers))
