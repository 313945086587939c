"""An optimiser for each player of an adversarial method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import Tensor, nn

from mmdavss.utils.wrappers import unwrapped


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PlayerOptimWrapperConstructor:
    """Builds one optimiser wrapper for each named child of a model::

        optim_wrapper = dict(
            constructor='PlayerOptimWrapperConstructor',
            student=dict(optimizer=dict(type='SGD', lr=2.5e-4)),
            discriminator=dict(optimizer=dict(type='Adam', lr=1e-4)))

    ``param_scheduler`` is then one list for all players, or a dict with one list per player.

    A player with ``clip_grad`` logs the norm of its gradient under its own name,
    ``student.grad_norm``. If ``clip_each`` names parts of a player, the gradient of each part is
    clipped and logged separately, as if each had its own optimiser::

        discriminator = dict(
            optimizer=...,
            clip_grad=dict(max_norm=1.0),
            clip_each=('spatio_temporal.decode', 'spatial.decode'),
        )

    Args:
        optim_wrapper_cfg: For each player the config of an optimiser wrapper, optionally with
            ``paramwise_cfg`` and ``clip_each``; None leaves a player of a base config out.
        paramwise_cfg: Must be set per player.

    Raises:
        ValueError: If `paramwise_cfg` is set for all players together.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if paramwise_cfg is not None:
            raise ValueError(
                'PlayerOptimWrapperConstructor: set paramwise_cfg in the config of a '
                f'player, one of {tuple(optim_wrapper_cfg)}.'
            )
        self.players = {name: cfg for name, cfg in optim_wrapper_cfg.items() if cfg is not None}

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        """Builds the wrappers.

        Raises:
            ValueError: If a player is not a part of the model.
        """
        owner = unwrapped(model)
        missing = [name for name in self.players if getattr(owner, name, None) is None]
        if missing:
            raise ValueError(
                f'optim_wrapper has the players {tuple(self.players)}, but '
                f'{type(owner).__name__} has no {missing}: leave them out.'
            )
        return OptimWrapperDict(
            **{
                name: _build(name, getattr(owner, name), dict(cfg))
                for name, cfg in self.players.items()
            }
        )


def _build(name: str, player: nn.Module, cfg: dict) -> OptimWrapper:
    """Builds a player's wrapper."""
    parts = cfg.pop('clip_each', None)
    wrapper = build_optim_wrapper(player, cfg)
    if getattr(wrapper, 'clip_grad_kwargs', None):
        wrapper.grad_name = f'{name}.{wrapper.grad_name}'
    if parts is not None:
        wrapper.clip_func = ClipEach(name, wrapper, unwrapped(player), parts)
    return wrapper


class ClipEach:
    """Replaces ``clip_grad_norm_`` in a wrapper: clips parts of a module separately.

    Args:
        name: Name of the player, for messages and the log.
        wrapper: The player's wrapper, with ``clip_grad``.
        module: The player.
        parts: Names of submodules. Together they hold every parameter of `module` once.

    Raises:
        ValueError: If they do not, a part does not exist, or `wrapper` does not clip norms.
    """

    def __init__(
        self, name: str, wrapper: OptimWrapper, module: nn.Module, parts: Sequence[str]
    ) -> None:
        if getattr(wrapper, 'clip_func', None) is not torch.nn.utils.clip_grad_norm_:
            raise ValueError(
                f'optim_wrapper.{name}.clip_each selects what is clipped: '
                'clip_grad=dict(max_norm=...) must also be set.'
            )
        modules = dict(module.named_modules())
        unknown = [part for part in parts if part not in modules]
        if unknown:
            raise ValueError(
                f'optim_wrapper.{name}.clip_each: {type(module).__name__} has no {unknown}.'
            )
        members = {part: {id(p) for p in modules[part].parameters()} for part in parts}
        if sorted(i for ids in members.values() for i in ids) != sorted(
            id(p) for p in module.parameters()
        ):
            raise ValueError(
                f'optim_wrapper.{name}.clip_each={tuple(parts)} must hold every '
                f'parameter of {type(module).__name__} once.'
            )
        self.members = members
        #: Is told the name and the norm of each part.
        self.note: Callable[[str, Any], None] = wrapper.message_hub.update_scalar
        self.key = f'train/{name}.{{}}.grad_norm'

    def __call__(self, parameters: Sequence[Tensor], **kwargs) -> None:
        """Clips and logs the norm of each part.

        Args:
            parameters: The parameters with a gradient.
            kwargs: Passed to ``torch.nn.utils.clip_grad_norm_``.
        """
        for part, ids in self.members.items():
            norm = torch.nn.utils.clip_grad_norm_([p for p in parameters if id(p) in ids], **kwargs)
            self.note(self.key.format(part), norm)
