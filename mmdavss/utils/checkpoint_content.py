"""Values other than tensors that a checkpoint may hold, built without running its code.

PyTorch builds objects and calls functions only if they are on an allow-list, with whatever
arguments and state the file gives. Everything listed here is harmless with any arguments. numpy's
own functions are not: with ``np.ndarray(shape, 'O', buffer)``, or a ``dtype`` whose flags the file
sets, bytes of the file become pointers. Stand-ins that check their arguments replace them.
"""

from __future__ import annotations

import argparse
import datetime
import decimal
import fractions
import functools
import math
import pathlib
import re
import time
import types
import uuid
from collections.abc import Callable, Iterable
from pickle import UnpicklingError
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.logging import HistoryBuffer
from torch import Tensor
from torch.torch_version import TorchVersion


def _refused(what: str) -> UnpicklingError:
    return UnpicklingError(f'GLOBAL {what} was not an allowed global by default')


class _DType:
    """Stands in for ``np.dtype``: keeps the file's arguments, from which :meth:`made` builds it."""

    def __init__(self, kind: Any = None, *_: Any) -> None:
        if not isinstance(kind, str) or not re.fullmatch(r'[biufcSUOMmV]\d+', kind):
            raise _refused(f'numpy.dtype({kind!r})')
        self.kind = kind
        self.state: tuple = (3, '|', None, None, None)

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def made(self) -> np.dtype:
        """Builds the type. Structures with object fields are refused."""
        kind, (_, order, subarray, names, fields, *rest) = self.kind, self.state
        if kind[0] == 'V' and names is not None and subarray is None:
            parts = [fields[name] for name in names]
            return np.dtype(
                dict(
                    names=list(names),
                    formats=[part[0].made() for part in parts],
                    offsets=[part[1] for part in parts],
                    itemsize=rest[0],
                )
            )
        if names is not None or subarray is not None:
            raise _refused(f'numpy.dtype({kind!r}) of parts')
        if kind[0] in 'Mm' and len(rest) > 3:
            unit, count = rest[3][1][:2]
            unit = unit.decode() if isinstance(unit, bytes) else unit
            kind = kind if unit == 'generic' else f'{kind}[{count}{unit}]'
        return np.dtype(kind).newbyteorder(order)


def _plain_type(dtype: Any, objects: bool = False) -> np.dtype:
    made = dtype.made() if isinstance(dtype, _DType) else None
    if made is None or (made.hasobject and not (objects and made.char == 'O')):
        raise _refused('numpy.dtype of objects')
    return made


class _Array(np.ndarray):
    """Stands in for ``np.ndarray``: filled only by its state, whose type is rebuilt."""

    filled = False

    def __new__(cls) -> _Array:
        return super().__new__(cls, (0,))

    def __setstate__(self, state: tuple) -> None:
        if self.filled:  # other objects may use the memory that would be freed
            raise _refused('numpy.ndarray that is changed')
        self.filled = True
        version, shape, dtype, order, content = state
        made = _plain_type(dtype, objects=True)
        # For object arrays numpy accepts only a list, but does not check its length.
        if made.hasobject and isinstance(content, list) and len(content) != math.prod(shape):
            raise _refused('numpy.ndarray of another size')
        super().__setstate__((version, shape, made, order, content))


def _array(*_: Any) -> _Array:
    return _Array()


def _scalar(dtype: _DType, content: bytes) -> Any:
    return np.ndarray((), _plain_type(dtype), content).copy()[()]


def _statistic(owner: type, name: str) -> Callable:
    """Stands in for ``getattr``: gives only the statistics of a HistoryBuffer.

    Raises:
        UnpicklingError: For anything else, since ``getattr`` could reach any function.
    """
    if owner is not HistoryBuffer or name not in ('min', 'max', 'mean', 'current'):
        raise _refused('builtins.getattr')
    return getattr(owner, name)


class _Config(Config):
    """Stands in for ``Config``, which reads files when called."""

    def __init__(self, *_: Any) -> None:
        raise _refused('mmengine.config.config.Config')


def _fraction(numerator: Any, denominator: int | None = None) -> fractions.Fraction:
    # Other forms are refused: Fraction would expand 1e999999999.
    if isinstance(numerator, str) and not re.fullmatch(r'-?\d+(/\d+)?', numerator):
        raise _refused('fractions.Fraction')
    return fractions.Fraction(numerator, denominator)


def _empty_bytes() -> bytes:
    # Pickles call bytes only for the empty value; with a number the call would fill the memory.
    return b''


def _default_dict(*_: Any) -> dict:
    # PyTorch fills plain dicts only.
    return {}


def _queue(items: Iterable = (), *_: Any) -> list:
    return list(items)


def _path(kind: type[pathlib.PurePath], *parts: str) -> pathlib.PurePath:
    """Makes a path, a pure path if it is from another system."""
    try:
        return kind(*parts)
    except NotImplementedError:
        pure = pathlib.PureWindowsPath if 'Windows' in kind.__name__ else pathlib.PurePosixPath
        return pure(*parts)


def _known() -> dict[str, Any]:
    """Maps the names that files may use to the objects themselves or to stand-ins."""
    made: dict[str, Any] = {
        'numpy.dtype': _DType,
        'numpy.ndarray': _Array,
        'builtins.getattr': _statistic,
        'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
        'mmengine.config.config.Config': _Config,
        'mmengine.config.config.ConfigDict': ConfigDict,
        'argparse.Namespace': argparse.Namespace,
        'types.SimpleNamespace': types.SimpleNamespace,
        'collections.defaultdict': _default_dict,
        'collections.deque': _queue,
        'fractions.Fraction': _fraction,
        'decimal.Decimal': decimal.Decimal,
        'uuid.UUID': uuid.UUID,
        'uuid.SafeUUID': uuid.SafeUUID,
        'time.struct_time': time.struct_time,
        'torch.torch_version.TorchVersion': TorchVersion,
        'builtins.Ellipsis': ...,
        'builtins.bytes': _empty_bytes,
    }
    for core in ('core', '_core'):  # numpy 1 and 2
        made[f'numpy.{core}.multiarray._reconstruct'] = _array
        made[f'numpy.{core}.multiarray.scalar'] = _scalar
    kind: type
    for kind in (bool, int, float, complex, str, list, dict, tuple, frozenset, range, slice):
        made[f'builtins.{kind.__name__}'] = kind
    for kind in (
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        datetime.timezone,
    ):
        made[f'datetime.{kind.__name__}'] = kind
    for name in (
        'PurePath',
        'PurePosixPath',
        'PureWindowsPath',
        'Path',
        'PosixPath',
        'WindowsPath',
    ):
        for module in ('pathlib', 'pathlib._local'):  # Python 3.13
            made[f'{module}.{name}'] = functools.partial(_path, getattr(pathlib, name))
    for code in '?bBhHiIqQefdFDSU':
        kind = np.dtype(code).type
        made[f'numpy.{kind.__name__}'] = kind
    # Before numpy 2.
    return made | {'numpy.bool_': np.bool_, 'numpy.str_': np.str_, 'numpy.bytes_': np.bytes_}


#: Names that files may use in addition to PyTorch's, in the form that
#: :func:`torch.serialization.safe_globals` takes.
ALLOWED: list[tuple[Any, str]] = [(value, name) for name, value in _known().items()]
_KNOWN = frozenset(_known())


def allowed_with(own: Iterable[Any]) -> list[Any]:
    """:data:`ALLOWED`, with the user's own entries that have other names."""
    named = {
        (
            entry[1] if isinstance(entry, tuple) else f'{entry.__module__}.{entry.__qualname__}'
        ): entry
        for entry in own
    }
    return [*ALLOWED, *(entry for name, entry in named.items() if name not in _KNOWN)]


def without_stand_ins(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """Replaces the stand-ins in a loaded value by the types of numpy and mmengine.

    Args:
        value: The loaded value; dicts, lists and objects are changed in place.
        memo: Values by id, for values that occur several times.
    """
    memo = {} if memo is None else memo
    if isinstance(value, str | bytes | int | float | type | None) or type(value) is Tensor:
        return value
    if id(value) in memo:
        return memo[id(value)][1]
    made = value
    if isinstance(value, _DType):
        made = value.made()
    elif isinstance(value, _Array):
        made = value.view(np.ndarray).copy(order='K')
    elif isinstance(value, tuple | frozenset) and type(value) in (tuple, frozenset):
        made = type(value)(without_stand_ins(item, memo) for item in value)
    # Keeps the value alive, so that its id is not reused.
    memo[id(value)] = value, made
    if isinstance(made, np.ndarray) and made.dtype == object:
        for index, item in enumerate(made.flat):
            made.flat[index] = without_stand_ins(item, memo)
    elif isinstance(made, list):
        made[:] = [without_stand_ins(item, memo) for item in made]
    elif isinstance(made, dict):
        for key, item in list(dict.items(made)):
            dict.__setitem__(made, key, without_stand_ins(item, memo))
    if isinstance(made, _Config):
        object.__setattr__(made, '__class__', Config)
    attributes = getattr(made, '__dict__', None)
    if isinstance(attributes, dict) and not isinstance(made, types.FunctionType):
        without_stand_ins(attributes, memo)
    return made
