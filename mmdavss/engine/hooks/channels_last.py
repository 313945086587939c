"""Networks whose features have their channels last in memory."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Stores the weights of 2-D convolutions with channels last (``torch.channels_last``).

    A convolution with such weights returns its features in the same order, so that all later ones
    have it, too. On CPUs and, with mixed precision, on GPUs convolutions are faster then. Results
    agree up to rounding; checkpoints are interchangeable.
    """

    def before_train(self, runner: Runner) -> None:
        _convert(runner.model)

    def before_val(self, runner: Runner) -> None:
        _convert(runner.model)

    def before_test(self, runner: Runner) -> None:
        _convert(runner.model)


def _convert(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            weight = module.weight
            weight.data = weight.data.to(memory_format=torch.channels_last)
