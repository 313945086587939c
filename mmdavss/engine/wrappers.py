"""Modules that a distributed run has wrapped."""

from __future__ import annotations

from mmengine.model import is_model_wrapper
from torch import nn


def unwrapped(module: nn.Module) -> nn.Module:
    """A module itself, where a DDP wrapper hides its attributes."""
    return module.module if is_model_wrapper(module) else module
