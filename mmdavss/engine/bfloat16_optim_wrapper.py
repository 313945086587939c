"""Mixed precision in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """Autocast to bfloat16, on GPUs and on CPUs.

    mmengine's ``AmpOptimWrapper`` needs a GPU and scales losses, which only the range of float16
    requires.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        # Where the network is, which need not be a GPU where there is one.
        device = self.param_groups[0]['params'][0].device
        with super().optim_context(model), torch.autocast(device.type, torch.bfloat16):
            yield
