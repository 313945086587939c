"""A second device with real numbers on machines that have only a CPU.

Tensors on :data:`DEVICE` wrap tensors on the CPU. An operation on tensors of both devices is an
error, as with a GPU; only copies, and tensors with a single number, may cross. What a GPU makes the
host wait for is not simulated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = 'other'
DEVICE = f'{NAME}:0'
aten = torch.ops.aten
_library: list[torch.library.Library] = []


class _OnOther(torch.Tensor):
    """A tensor on the second device.

    Args:
        inner: The tensor on the CPU that holds its numbers.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> _OnOther:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(DEVICE),
        )

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, args: tuple = (), kwargs: Mapping | None = None
    ) -> Any:
        return _run(function, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Makes new tensors on the second device, and moves others there."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: Mapping | None = None
    ) -> Any:
        return _run(function, args, kwargs or {})


def _run(function: Any, args: tuple, kwargs: Mapping) -> Any:
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    there = [isinstance(x, _OnOther) for x in tensors]
    copies = function in (aten._to_copy.default, aten.copy_.default)
    here = any(x.dim() > 0 and not isinstance(x, _OnOther) for x in tensors)
    if any(there) and here and not copies:
        raise RuntimeError(f'{function}: tensors on the CPU and on {DEVICE}')
    on_other = there[0] if function is aten.copy_.default else any(there)
    if kwargs.get('device') is not None:
        on_other = torch.device(kwargs['device']).type == NAME
    wrappers: dict[int, _OnOther] = {}

    def unwrapped(x: Any) -> Any:
        if isinstance(x, _OnOther):
            wrappers[id(x.inner)] = x
            return x.inner
        return torch.device('cpu') if isinstance(x, torch.device) and x.type == NAME else x

    def wrapped(x: Any) -> Any:
        if not isinstance(x, Tensor) or not on_other:
            return x
        return wrappers[id(x)] if id(x) in wrappers else _OnOther(x)

    own_args, own_kwargs = tree_map(unwrapped, (args, dict(kwargs)))
    out = function(*own_args, **own_kwargs)
    if function is aten._to_copy.default and out is own_args[0]:
        out = out.clone()
    return tree_map(wrapped, out)


def _register() -> None:
    """Tells torch about the device, once in a process."""
    setup = getattr(backend_registration, '_setup_privateuseone_for_python_backend', None)
    if setup is None:
        pytest.skip('this torch has no devices in Python')
    if _library:
        return
    setup(NAME)
    library = torch.library.Library('aten', 'IMPL')

    # Tensors made from Python numbers come here, below the dispatch mode.
    def empty_strided(
        size: Any, stride: Any, dtype: Any = None, layout: Any = None, device: Any = None, **_: Any
    ) -> Tensor:
        return _OnOther(torch.empty_strided(size, stride, dtype=dtype, device='cpu'))

    def copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
        inner = source.inner if isinstance(source, _OnOther) else source
        (target.inner if isinstance(target, _OnOther) else target).copy_(inner)
        return target

    library.impl('empty_strided', empty_strided, 'PrivateUse1')
    library.impl('_copy_from', copy_from, 'PrivateUse1')
    _library.append(library)


@contextmanager
def second_device() -> Iterator[str]:
    """Context manager: a device in addition to the CPU; gives its name.

    torch never forgets one: for a process of its own.
    """
    _register()
    autocast = torch.autocast
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)

    def on_cpu(device_type: str, *args: Any, **kwargs: Any) -> torch.autocast:
        return autocast('cpu' if device_type == NAME else device_type, *args, **kwargs)

    try:
        with _Mode(), mock.patch('torch.autocast', on_cpu):
            yield DEVICE
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
