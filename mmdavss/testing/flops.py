"""Counts the passes of a training step through each network, by their FLOPs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten


@dataclass
class Flops:
    """FLOPs of the convolutions of a network.

    Attributes:
        forward: Those of its forward passes.
        backward: Those of its backward passes, for gradients of weights and of inputs.
    """

    forward: int = 0
    backward: int = 0


class NetworkFlops(FlopCounterMode):
    """PyTorch's counter of FLOPs, which also tells networks apart, by the weights that they use.

    PyTorch's own count for each module loses track of a module that is called several times in a
    step.

    Args:
        networks: The networks by name; no weight belongs to two.

    Attributes:
        found: FLOPs of each network. Weights of no network are under the name ``other``.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self._names = {
            parameter.data_ptr(): name
            for name, network in networks.items()
            for parameter in network.parameters()
        }
        self.found: dict[str, Flops] = defaultdict(Flops)

        def forward(x: Tensor, weight: Tensor, *args: Any, out_val: Tensor, **kwargs: Any) -> int:
            count = products(weight, out_val)
            self._of(weight).forward += count
            return count

        def backward(
            gradient: Tensor, x: Tensor, weight: Tensor, *args: Any, out_val: tuple, **kwargs: Any
        ) -> int:
            wanted_x, wanted_weight, _ = args[-1]
            count = (wanted_x + wanted_weight) * products(weight, gradient)
            self._of(weight).backward += count
            return count

        for formula in (forward, backward):
            formula._get_raw = True  # tensors, not their shapes
        super().__init__(
            display=False,
            custom_mapping={aten.convolution: forward, aten.convolution_backward: backward},
        )

    def _of(self, weight: Tensor) -> Flops:
        return self.found[self._names.get(weight.data_ptr(), 'other')]


def products(weight: Tensor, out: Tensor) -> int:
    """FLOPs of a convolution with a weight (C, ...) that gives (N, C, h, w)."""
    return 2 * out.numel() * weight[0].numel()
