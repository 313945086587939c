"""What is in a checkpoint file, and whether it fits.

A checkpoint is a pickle, which can run code when it is loaded. Importing this module makes all
loaders of mmengine (of files and URLs, ``load_from``, ``init_cfg``, ``--resume``) read weights and
plain values only; mmengine alone would fall back to loading everything, with a warning.
"""
from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import (
    CheckpointLoader,
    _load_checkpoint,
    load_from_http,
    load_from_mmcls,
    load_from_openmmlab,
    load_from_torchvision,
)
from torch import Tensor, nn
from torch.serialization import safe_globals

from mmdavss.errors import UserError

#: PyTorch's own variable: with it set to 1 checkpoints may run code.
TRUST = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
#: Its opposite, which also binds callers that ask for everything.
DISTRUST = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'


class CheckpointError(UserError, ValueError):
    """A file that is no checkpoint, is damaged, or would run code."""


def _statistic(owner: type, name: str) -> Callable:
    """Stands in for ``getattr`` in a checkpoint: only the methods of a HistoryBuffer's statistics.

    Raises:
        UnpicklingError: For everything else: with ``getattr`` itself a file reaches any function.
    """
    if owner is not HistoryBuffer or name not in ('min', 'max', 'mean', 'current'):
        raise UnpicklingError('GLOBAL builtins.getattr was not an allowed global by default')
    return getattr(owner, name)


#: What mmengine's checkpoints hold besides tensors and plain values: logs, numbers of numpy. Files
#: of numpy 1 name its functions otherwise.
SAFE = [
    HistoryBuffer, (_statistic, 'builtins.getattr'), np.ndarray, np.dtype,
    *(entry for core in ('core', '_core') for entry in (
        (np.empty(0).__reduce__()[0], f'numpy.{core}.multiarray._reconstruct'),
        (np.float64().__reduce__()[0], f'numpy.{core}.multiarray.scalar'))),
    *{type(np.dtype(kind)) for kind in (
        bool, 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8')}]


def trusted() -> bool:
    """Whether the user asked for checkpoints that may run code."""
    return os.environ.get(TRUST, '').lower() in ('1', 'y', 'yes', 'true')


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = 'cpu') -> dict:
    """Reads a checkpoint file: weights and plain values, nothing that runs code.

    Args:
        filename: The file.
        map_location: As of :func:`torch.load`.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is none, is damaged, or holds what could run code and
            ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1`` is not set.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint not found: {filename}')
    with _explained(filename), safe_globals(SAFE):
        loaded = torch.load(path, map_location=map_location, weights_only=not trusted())
    if not isinstance(loaded, Mapping):
        raise CheckpointError(
            f'{filename} holds a {type(loaded).__name__} and no checkpoint, which is a dict of '
            'weights: name another file.')
    return loaded


def _safe(loader: Callable) -> Callable:
    """A loader of mmengine that downloads, so that what comes is read as files are."""

    @wraps(loader)
    def load(filename: str, map_location: Any = None) -> dict:
        if trusted():
            return loader(filename, map_location=map_location)
        before = os.environ.get(DISTRUST)
        os.environ[DISTRUST] = '1'
        try:
            with _explained(filename), safe_globals(SAFE):
                return loader(filename, map_location=map_location)
        finally:
            if before is None:
                del os.environ[DISTRUST]
            else:
                os.environ[DISTRUST] = before

    return load


for _prefixes, _loader in (
        (('http://', 'https://'), load_from_http),
        (('modelzoo://', 'torchvision://'), load_from_torchvision),
        (('open-mmlab://', 'openmmlab://'), load_from_openmmlab), ('mmcls://', load_from_mmcls)):
    CheckpointLoader.register_scheme(_prefixes, _safe(_loader), force=True)


@contextmanager
def _explained(filename: str) -> Iterator[None]:
    """Turns what :func:`torch.load` raises into one message."""
    try:
        yield
    except (FileNotFoundError, torch.cuda.OutOfMemoryError, UserError):
        raise
    except (EOFError, KeyError, OSError, RuntimeError, UnpicklingError, ValueError) as error:
        text = str(error)
        refused = re.search(r'GLOBAL (\S+)|unrecognized (?:function|class) (.+)', text)
        if isinstance(error, UnpicklingError) and refused:
            what = refused[1] or refused[2]
            raise CheckpointError(
                f'{filename} was not loaded: it holds {what}, and loading that can run code that '
                'somebody hid in the file. If you know who made it and trust them, set '
                f'{TRUST}=1 in the environment of the same call.') from None
        if 'CUDA' in text:
            raise
        why = f' ({text.splitlines()[0][:100]})' if text else ''
        raise CheckpointError(
            f'{filename} is no checkpoint of PyTorch, or a damaged one{why}: copy or download it '
            'again, or take an earlier one.') from error


def read_checkpoint(path: str | Path) -> dict:
    """Everything in a checkpoint, on the CPU.

    Args:
        path: File or URL.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is none, is damaged, or could run code.
    """
    return _load_checkpoint(str(path), map_location='cpu', logger='silent')


def read_weights(path: str, hint: str) -> dict[str, Tensor]:
    """The weights in a checkpoint of mmengine, or in a file of nothing but weights.

    Args:
        path: File or URL.
        hint: Message if the file does not exist: whose it is, and what to do.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is no checkpoint, is damaged, could run code, or has no weights.
    """
    if '://' not in path and not Path(path).is_file():
        raise FileNotFoundError(hint)
    checkpoint = read_checkpoint(path)
    weights = checkpoint.get('state_dict', checkpoint)
    weights = weights if isinstance(weights, Mapping) else {}
    if not any(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError(f'{path} holds no weights, only {_some(checkpoint)}: name a file '
                              'that training or a converter has written.')
    return weights


def _some(keys: Mapping) -> str:
    return ', '.join(repr(key) for key in list(keys)[:4]) or 'nothing'


def misfits(module: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Names of a module's tensors that weights lack, or have in another shape."""
    return [name for name, value in module.state_dict().items()
            if name not in weights or weights[name].shape != value.shape]


def noted_checkpoint(work_dir: str | Path) -> str | None:
    """The checkpoint that a run noted as its last, as it wrote its path; None if there is none."""
    note = Path(work_dir, 'last_checkpoint')
    return note.read_text(encoding='utf-8').strip() if note.is_file() else None


def damage(path: str | Path) -> str | None:
    """What is wrong with the file of a checkpoint, found without loading it.

    It is read to its end and compared with the checksums in it.

    Args:
        path: A file that torch.save has written.

    Returns:
        What is wrong, or None.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            part = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        return f'{Path(path).stat().st_size} bytes that are not a whole checkpoint ({error})'
    return None if part is None else f'{part} in it is not what was written'
