"""Forward passes for predictions, or without updating batch-norm statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from mmengine.dist import broadcast
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


@contextmanager
def uncached_autocast() -> Iterator[None]:
    """Context manager: an autocast inside or around it casts weights anew in each pass.

    PyTorch before December 2025 keeps the copy of a weight that a pass without gradient made; a
    later pass in the same region of autocast takes it, and the weight gets no gradient (PyTorch
    issue 158232).
    """
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(cached)


def norm_layers(net: nn.Module) -> list[_BatchNorm]:
    """All batch-norm layers of a net."""
    return [module for module in net.modules() if isinstance(module, _BatchNorm)]


def take_statistics_of_first(net: nn.Module) -> None:
    """Gives the batch-norm layers of all processes the running statistics of the first one.

    Those are in checkpoints. Called by all processes together; does nothing in one.
    """
    for norm in norm_layers(net):
        for statistic in (norm.running_mean, norm.running_var):
            if statistic is not None:
                broadcast(statistic)


@contextmanager
def unmoved_statistics(net: nn.Module) -> Iterator[None]:
    """Context manager: training-mode passes use batch statistics, running ones do not change."""
    momenta = {norm: norm.momentum for norm in norm_layers(net)}
    for norm in momenta:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum


@contextmanager
def predicting(net: nn.Module) -> Iterator[None]:
    """Context manager for predictions: evaluation mode, without gradient.

    In training mode, even a pass without gradient would update batch-norm statistics and apply
    dropout and drop path. Modes are restored on exit.
    """
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def frozen_forward(net: nn.Module, *args: Tensor | None) -> Tensor:
    """``net(*args)`` inside :func:`predicting`."""
    with predicting(net):
        return net(*args)


def recomputed(net: nn.Module, function: Callable[..., Any], *args: Tensor) -> Any:
    """``function(*args)``, a pass of `net` whose graph the backward pass computes again.

    For losses that compare several passes: only one of their graphs is in memory at a time. What
    is drawn is the same both times, and running statistics move the first time only.
    """
    return checkpoint(
        function,
        *args,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), unmoved_statistics(net)),
    )


def has_dropout(net: nn.Module) -> bool:
    """Whether a net uses dropout or drop path in training mode."""
    return any(is_dropout(module) for module in net.modules())


def is_dropout(module: nn.Module) -> bool:
    """Whether a layer drops something in training mode."""
    return 'drop' in type(module).__name__.lower() or (
        isinstance(module, nn.MultiheadAttention) and module.dropout > 0
    )
