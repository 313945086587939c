"""Counts the passes of a training step through each network, by their FLOPs; and operations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

aten = torch.ops.aten
#: What PyTorch's counter does not know, attention on the CPU and products in place, and what it
#: knows instead.
UNKNOWN = {
    aten.addmm_: aten.addmm,
    aten.baddbmm_: aten.baddbmm,
    aten._scaled_dot_product_flash_attention_for_cpu: aten._scaled_dot_product_flash_attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        aten._scaled_dot_product_flash_attention_backward
    ),
}


@dataclass
class Flops:
    """FLOPs of the convolutions, linear layers and attention of a network.

    Attributes:
        forward: Those of its forward passes.
        backward: Those of its backward passes, for gradients of weights and of inputs.
    """

    forward: int = 0
    backward: int = 0


class NetworkFlops(FlopCounterMode):
    """PyTorch's counter of FLOPs, which also tells networks apart.

    PyTorch's own count for each module loses track of a module that is called several times in a
    step. Here an operation belongs to the network whose weight it uses or, as products of
    attention use none, in whose ``forward`` it runs; its gradients belong there too.

    Args:
        networks: The networks by name; what belongs to several is that of the last.

    Attributes:
        found: FLOPs of each network. Convolutions with the weight of none are under the name
            ``other``, other products outside of all networks under ``losses``.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self._names = {
            parameter.data_ptr(): name
            for name, network in networks.items()
            for parameter in network.parameters()
        }
        self._modules = {
            module: name for name, network in networks.items() for module in network.modules()
        }
        #: Networks of the modules that are being called, from the outside in.
        self._called: list[str | None] = []
        #: Networks of the products by the number of their node in the graph.
        self._nodes: dict[int, str] = {}
        self._handles: list[Any] = []
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

        convolutions = {aten.convolution: forward, aten.convolution_backward: backward}
        formulas = flop_registry | {own: flop_registry[known] for own, known in UNKNOWN.items()}
        mapping: dict[Any, Callable[..., int]] = {
            operation: partial(self._product, formula)
            for operation, formula in formulas.items()
            if operation not in convolutions
        }
        mapping |= convolutions
        for formula in mapping.values():
            formula._get_raw = True  # type: ignore[attr-defined]  # tensors, not their shapes
        super().__init__(display=False, custom_mapping=mapping)

    def __enter__(self) -> NetworkFlops:
        def enter(module: nn.Module, _: Any) -> None:
            outer = self._called[-1] if self._called else None
            self._called.append(self._modules.get(module, outer))

        def leave(*_: Any) -> None:
            self._called.pop()

        self._handles = [
            register_module_forward_pre_hook(enter),
            register_module_forward_hook(leave, always_call=True),
        ]
        super().__enter__()
        return self

    def __exit__(self, *args: Any) -> Any:
        for handle in self._handles:
            handle.remove()
        return super().__exit__(*args)

    def _of(self, weight: Tensor) -> Flops:
        return self.found[self._names.get(weight.data_ptr(), 'other')]

    def _product(self, formula: Callable[..., int], *args: Any, out_val: Any, **kwargs: Any) -> int:
        """Counts a linear layer, a product of attention, or one of their gradients."""
        count = formula(*args, out_val=out_val, **kwargs)
        own = self._called[-1] if self._called else None
        node = torch._C._current_autograd_node()
        if node is not None and own is None:  # with one: a backbone that is computed again
            self.found[self._nodes.get(node._sequence_nr(), 'losses')].backward += count
            return count
        weights = (self._names.get(x.data_ptr()) for x in args if isinstance(x, Tensor))
        name = next((name for name in weights if name is not None), own or 'losses')
        self.found[name].forward += count
        # The node is made before the operation runs. Without one the last is that of another
        # operation: if that is a product, it has its name.
        self._nodes.setdefault(torch.autograd._get_sequence_nr() - 1, name)
        return count


class Operations(TorchDispatchMode):
    """Counts the operations that are dispatched.

    Attributes:
        count: Their number without views, which start nothing on a device.
        with_views: Their number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = self.with_views = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: Mapping | None = None
    ) -> Any:
        self.count += not function.is_view
        self.with_views += 1
        return function(*args, **(kwargs or {}))


def products(weight: Tensor, out: Tensor) -> int:
    """FLOPs of a convolution with a weight (C, ...) that gives (N, C, h, w)."""
    return 2 * out.numel() * weight[0].numel()
